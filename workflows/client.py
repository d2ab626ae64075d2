"""A thin client of the service's HTTP API: what the command line, the demo and the benchmark speak through.

It imports nothing of the service but its errors, so that a command starts in milliseconds.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import urllib3

from workflows.errors import Unavailable
from workflows.jobs.ids import new_id

Body = dict[str, Any]

COMPLETED: Final = "completed"
ENDED: Final = frozenset({COMPLETED, "failed", "cancelled", "timed_out"})
POLL_S: Final = 0.25
# The service holds a quick job's answer for INLINE_WAIT_S (30 s); a client gives up well after that.
ANSWER_TIMEOUT_S: Final = 120.0


class ApiError(Exception):
    """The service answered with a problem (RFC 9457). `problems` has one entry a fault of a job's JSON."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("detail") or body.get("title") or f"HTTP {status}"))
        self.status = status
        self.code = str(body.get("code") or f"http_{status}")
        self.path: str | None = body.get("path")
        self.remedy: str | None = body.get("remedy")
        self.job_id: str | None = body.get("jobId")  # set when it is a job's own end that is told
        self.problems: list[Body] = list(body.get("errors") or [])

    @property
    def clients_fault(self) -> bool:
        """Whether the request itself is wrong, so that sending it again cannot help."""
        return 400 <= self.status < 500 and self.status != 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where the service is and who asks. Raises ApiError for a problem, Unavailable when nobody answers sensibly."""

    url: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 10.0
    _pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=4, retries=False), repr=False, compare=False
    )

    def orchestrate(self, body: Body) -> Body:
        """Post a job and return the answer: `status` is "immediate" with a result, or the job was queued."""
        return self._call("POST", "/api/v1/orchestrate", body, timeout_s=ANSWER_TIMEOUT_S)

    def status(self, job_id: str) -> Body:
        """The job's status: word, progress, current step; the result's URL once there is one."""
        return self._call("GET", f"/api/v1/jobs/{quote(job_id, safe='')}/status")

    def job(self, job_id: str) -> Body:
        """The job in full, its steps with their times and outputs."""
        return self._call("GET", f"/api/v1/jobs/{quote(job_id, safe='')}")

    def follow(self, body: Body) -> Iterator[Body]:
        """Post a job and yield its status until it has ended; the last one is final.

        A quick job's POST answers only when the job is done, so it waits on a thread while the status is asked.
        A body without an `id` gets one: without it there is nothing to ask for.
        """
        body = {"id": new_id("job"), **body}
        posted = _in_background(lambda: self.orchestrate(body))
        while True:
            accepted = _accepted(posted)
            status = self._status(str(body["id"]), absent_ok=not accepted)
            if status and status["status"] in ENDED:
                wait([posted], timeout=ANSWER_TIMEOUT_S)
                _accepted(posted)  # what ended may be an older job of this id, and this one refused
                yield status
                return
            if status:
                yield status
            wait([posted], timeout=POLL_S) if not accepted else time.sleep(POLL_S)

    def watch(self, job_id: str) -> Iterator[Body]:
        """Yield the status of a job until it has ended."""
        while True:
            status = self.status(job_id)
            yield status
            if status["status"] in ENDED:
                return
            time.sleep(POLL_S)

    def download(self, url: str, target: Path) -> int:
        """Write what `url` holds to `target` and return its size in bytes. The API key is not sent along."""
        try:
            with self._pool.request("GET", url, preload_content=False, timeout=60.0) as answer:
                if answer.status != 200:
                    raise Unavailable(f"the result's URL answered HTTP {answer.status}")
                with target.open("wb") as file:
                    return sum(file.write(chunk) for chunk in answer.stream(1 << 20))
        except urllib3.exceptions.HTTPError as err:
            raise Unavailable(f"the result cannot be downloaded: {err}") from err

    def _status(self, job_id: str, *, absent_ok: bool) -> Body | None:
        try:
            return self.status(job_id)
        except ApiError as refusal:
            if refusal.status == 404 and absent_ok:  # the POST has not been committed yet
                return None
            raise

    def _at(self, path: str) -> str:
        return self.url.rstrip("/") + path

    def _call(self, method: str, path: str, body: Body | None = None, *, timeout_s: float | None = None) -> Body:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        data = None if body is None else json.dumps(body).encode()
        timeout = urllib3.Timeout(connect=5.0, read=timeout_s or self.timeout_s)
        try:
            answer = self._pool.request(method, self._at(path), body=data, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError as err:
            raise Unavailable(
                f"{self.url} does not answer",
                remedy="Check --url or ORCHESTRATOR_URL; `orchestrator up` starts a service here.",
            ) from err
        return _decoded(answer, self.url)


def _decoded(answer: urllib3.BaseHTTPResponse, url: str) -> Body:
    try:
        body = json.loads(answer.data)
    except ValueError:
        body = None
    if answer.status >= 400:
        raise ApiError(answer.status, body if isinstance(body, dict) else {})
    if not isinstance(body, dict):
        raise Unavailable(f"{url} did not answer in JSON", remedy="Check that the URL is the orchestrator's.")
    return body


def _accepted(posted: Future[Body]) -> bool:
    """Whether the POST has been answered. Raises what refused it; that the job itself ended badly is no refusal."""
    if not posted.done():
        return False
    error = posted.exception()
    if error and not (isinstance(error, ApiError) and error.job_id):
        raise error
    return True


def _in_background(call: Callable[[], Body]) -> Future[Body]:
    """The call's outcome. Its thread is a daemon, so that Ctrl-C does not wait for a held answer."""
    outcome: Future[Body] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except (ApiError, Unavailable) as err:
            outcome.set_exception(err)

    threading.Thread(target=run, name="orchestrate", daemon=True).start()
    return outcome
