"""Keeping a lease while a step works: a thread that beats, carries progress and learns when to stop.

The lease is not renewed once the step's own progress has stood still for its limit, so a hung render loses it.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workflows.errors import (
    Cancelled,
    DeadlineExceeded,
    LeaseLost,
    OrchestratorError,
    RenderStalled,
    SourceTooSlow,
)
from workflows.jobs import leases
from workflows.jobs.leases import Claim
from workflows.settings import Settings

log = structlog.get_logger(__name__)
FETCHING = frozenset({"validate", "download"})
PROGRESS_S = 0.4  # news of progress travels at least this far apart


class LeaseKeeper:
    """Beats from entering to leaving. `should_stop` is for whoever works, `raise_if_stopped` for the code between."""

    def __init__(self, engine: Engine, settings: Settings, claim: Claim) -> None:
        self._engine, self._settings, self._claim = engine, settings, claim
        self._progress = 0.0
        self._sent = 0.0
        self._moved_at = self._started_at = time.monotonic()
        self._verdict: OrchestratorError | None = None
        self._wake = threading.Event()
        self._ending = False
        self._set_deadline(claim.remaining_s)
        self._thread = threading.Thread(target=self._beat, name=f"lease {claim.step_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._wake.set()
        self._thread.join()

    @property
    def verdict(self) -> OrchestratorError | None:
        """Why the step must stop; None while it may go on."""
        return self._verdict or self._overtime()

    def progress(self, fraction: float) -> None:
        """The step has come this far (0..1); never goes back."""
        if fraction > self._progress:
            self._progress = min(fraction, 1.0)
            self._moved_at = time.monotonic()
            self._wake.set()

    def alive(self) -> None:
        """The step moves though its fraction does not (a phase without a measure)."""
        self._moved_at = time.monotonic()

    def should_stop(self) -> str | None:
        """The code of the reason to stop, for runners that poll. Who polls is alive and bounds its own standstill."""
        self.alive()
        verdict = self.verdict
        return None if verdict is None else verdict.code

    def raise_if_stopped(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self.verdict is not None:
            raise self.verdict

    def _overtime(self) -> OrchestratorError | None:
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            return DeadlineExceeded("the job's time ran out during " + self._claim.name)
        if now - self._started_at > self._claim.time_limit_s:
            return self._too_slow(f"took longer than {self._claim.time_limit_s:.0f} s")
        return None

    def _too_slow(self, what: str) -> OrchestratorError:
        """A step that fetches waits for others' servers; any other that stands still has a hung worker."""
        kind = SourceTooSlow if self._claim.name in FETCHING else RenderStalled
        return kind(f"{self._claim.name} {what}")

    def _set_deadline(self, remaining_s: float | None) -> None:
        self._deadline = None if remaining_s is None else time.monotonic() + remaining_s

    def _stalled(self) -> bool:
        return time.monotonic() - self._moved_at > min(self._claim.stall_s, self._settings.stall_s)

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._ending and self.verdict is None:
            self._wake.wait(self._settings.heartbeat_s)
            self._wake.clear()
            if self._ending:
                return
            since = time.monotonic() - last
            if since < PROGRESS_S:
                self._pause(PROGRESS_S - since)
            last = time.monotonic()
            if self._stalled():
                self._verdict = self._too_slow("made no progress")
                return
            self._beat_once()

    def _pause(self, seconds: float) -> None:
        """Wait without hearing of progress, but hear of the end."""
        until = time.monotonic() + seconds
        while not self._ending and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()

    def _beat_once(self) -> None:
        try:
            with self._engine.begin() as conn:
                beat = leases.heartbeat(conn, self._claim, progress=self._progress, lease_s=self._settings.lease_s)
        except LeaseLost as err:
            self._verdict = err
        except SQLAlchemyError as err:
            log.warning("heartbeat_failed", error=str(err))  # not fencing: the lease revives with the next beat
        else:
            self._set_deadline(beat.remaining_s)
            if beat.cancel_requested:
                self._verdict = Cancelled("the job was cancelled")
