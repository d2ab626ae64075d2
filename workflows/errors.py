"""The one tree of errors that cross a boundary: HTTP, a step, the command line.

Each class has a stable `code`, says whether another try can help (`retryable`), what it counts as when a step
fails (`kind`) and what the person or program can do next (`remedy`). Two tables translate it and nothing else
does: `orchestrator_api.errors` (error -> HTTP problem) and `workflows.jobs.failure` (error -> retry or fail).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class FailureKind(StrEnum):
    """What a failed attempt counts against."""

    PERMANENT = "permanent"  # no retry can help: bad input, policy
    RETRYABLE = "retryable"  # counts as a failure: network, 5xx, a render that broke
    RESOURCE = "resource"  # waits without counting: full disk, no capacity
    LOST = "lost"  # counts as a loss: the worker or its lease is gone


class OrchestratorError(Exception):
    """Base of every error with a stable code. `path` is the JSON path at fault, such as `elements[2].source`."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[FailureKind] = FailureKind.RETRYABLE
    remedy: ClassVar[str] = "Try again; if it lasts, send the job id to the operators."

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        remedy: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.advice = remedy or self.remedy
        self.details: dict[str, Any] = dict(details or {})

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return self.kind is not FailureKind.PERMANENT

    def as_dict(self) -> dict[str, Any]:
        """The error as stored in the ledger and shown to clients."""
        body: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "remedy": self.advice,
        }
        if self.path:
            body["path"] = self.path
        if self.details:
            body["details"] = self.details
        return body

    def as_json(self) -> str:
        """`as_dict` as text for the ledger. PostgreSQL's jsonb holds no NUL, and a decoder's message may."""
        return json.dumps(self.as_dict(), default=str).replace("\\u0000", "")


class InvalidSpec(OrchestratorError):
    """The job's JSON is wrong. `problems` has one entry a fault: {path, code, message, remedy}."""

    code = "invalid_spec"
    kind = FailureKind.PERMANENT
    remedy = "Correct the fields named under `errors` and post the job again."

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        first = problems[0]
        super().__init__(first["message"], path=first["path"], remedy=first.get("remedy"))
        self.problems = problems


class Conflict(OrchestratorError):
    """The id or Idempotency-Key was used before with another body."""

    code = "idempotency_conflict"
    kind = FailureKind.PERMANENT
    remedy = "Use a new id, or send the body of the first request."


class NotFound(OrchestratorError):
    """No such thing, or not this tenant's."""

    code = "not_found"
    kind = FailureKind.PERMANENT
    remedy = "Check the id; a job belongs to the key that created it."


class Unauthorised(OrchestratorError):
    """No valid API key."""

    code = "unauthorised"
    kind = FailureKind.PERMANENT
    remedy = "Send `Authorization: Bearer <key>`; `orchestrator keys create` makes one."


class Forbidden(OrchestratorError):
    """The key's role does not allow this."""

    code = "forbidden"
    kind = FailureKind.PERMANENT
    remedy = "Use a key with a higher role."


class Overloaded(OrchestratorError):
    """The service cannot take this request now; nothing was stored."""

    code = "overloaded"
    kind = FailureKind.RESOURCE
    remedy = "Wait for the seconds in Retry-After and send it again."


class Unavailable(OrchestratorError):
    """A part the request needs (database, storage) does not answer."""

    code = "unavailable"
    remedy = "Try again in a few seconds; GET /health names the part."


class SourceError(OrchestratorError):
    """Base of what can be wrong with a source URL. Always carries `path`."""

    code = "source_error"
    kind = FailureKind.PERMANENT
    remedy = "Check the source URL."


class SourceRefused(SourceError):
    """The URL breaks the address, scheme, port or bucket rules."""

    code = "source_refused"
    remedy = "Use a public http(s) URL; operators admit private ranges with SOURCE_ALLOW_PRIVATE."


class SourceNotFound(SourceError):
    """The server answered 4xx, or the object does not exist."""

    code = "source_not_found"
    remedy = "Check that the URL opens without a login."


class SourceUnreachable(SourceError):
    """No connection, a 5xx or a broken transfer; may pass."""

    code = "source_unreachable"
    kind = FailureKind.RETRYABLE
    remedy = "Check that the server is up; the download is retried."


class SourceTooSlow(SourceError):
    """The transfer fell under the minimum speed or over the time limit."""

    code = "source_too_slow"
    kind = FailureKind.RETRYABLE
    remedy = "Serve the file faster, or nearer."


class SourceTooLarge(SourceError):
    """The file is larger than SOURCE_MAX_BYTES, declared or streamed."""

    code = "source_too_large"
    remedy = "Send a smaller file, or ask the operators to raise SOURCE_MAX_BYTES."


class SourceNotMedia(SourceError):
    """The bytes are not a media file of the declared kind (magic bytes, demuxer, decoder)."""

    code = "source_not_media"
    remedy = "Send a media file: mp4, mov, webm, mkv, mp3, wav, aac, flac, ogg, png, jpeg, webp, gif."


class SourceCorrupt(SourceError):
    """A media file that cannot be read to its end, or has no stream of the needed kind."""

    code = "source_corrupt"
    remedy = "Re-export the file; it is cut short or damaged."


class SourceOverLimits(SourceError):
    """Picture size, duration or stream count beyond the limits."""

    code = "source_over_limits"
    remedy = "Send a source within the limits named in the message."


class FontMissing(OrchestratorError):
    """The named font is not in the shipped set."""

    code = "font_missing"
    kind = FailureKind.PERMANENT
    remedy = "Use one of the fonts listed in docs/scene.md."


class RenderFailed(OrchestratorError):
    """FFmpeg ended with an error. `details` has the exit code and the last lines of stderr."""

    code = "render_failed"
    remedy = "Look at the stderr lines in `details`; decode errors there mean a damaged source."


class RenderStalled(OrchestratorError):
    """FFmpeg made no progress for the stall limit and was killed."""

    code = "render_stalled"
    kind = FailureKind.LOST
    remedy = "It is tried again on another worker."


class OutputWrong(OrchestratorError):
    """The rendered file fails a check. `details` has the checks."""

    code = "output_wrong"
    remedy = "Post the job again to render it anew; send the job id to the operators if it lasts."


class StorageFailed(OrchestratorError):
    """The object store refused or lost something."""

    code = "storage_failed"
    remedy = "It is tried again; GET /health says whether the store answers."


class NoCapacity(OrchestratorError):
    """No node can hold the job now."""

    code = "no_capacity"
    kind = FailureKind.RESOURCE
    remedy = "It waits for capacity; add workers to speed it up."


class DeadlineExceeded(OrchestratorError):
    """The job's own deadline or its template's total time has passed."""

    code = "deadline_exceeded"
    kind = FailureKind.PERMANENT
    remedy = "Give the job a later deadline, or choose a larger workflow."


class Cancelled(OrchestratorError):
    """The job was cancelled while the step ran."""

    code = "cancelled"
    kind = FailureKind.PERMANENT
    remedy = "Post the job again to run it."


class WorkerLost(OrchestratorError):
    """The worker's lease ran out before the step ended, too often."""

    code = "worker_lost"
    kind = FailureKind.LOST
    remedy = "Post the job again; if it lasts, the job is too large for the workers' memory."


class LeaseLost(OrchestratorError):
    """The step belongs to another attempt now: stop, write nothing. Never reaches a client."""

    code = "lease_lost"
    kind = FailureKind.LOST
    remedy = "Nothing to do: another attempt has the step."
