"""Clients that wait for a quick job inside their request: how many, how long, and what wakes them.

No database connection is held while waiting. Past the limit, at the end of the time, when the job stops being quick,
when the database goes away or this process is told to stop, the client gets its 202 and the job goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrator_api.listening import Listener
from workflows.jobs import store
from workflows.jobs.rows import Job
from workflows.settings import Settings

log = structlog.get_logger(__name__)

LOOK_AGAIN_S: Final = 1.0


class Waiting:
    """The waiters of one process."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._places = threading.BoundedSemaphore(max(1, settings.inline_waiters))
        self._full = settings.inline_waiters < 1
        self._lock = threading.Lock()
        self._events: dict[str, set[threading.Event]] = {}
        self._listener = Listener(settings.database_url, self.wake)
        self._stopping: Callable[[], bool] = lambda: False

    def for_answer(self, job: Job) -> Job:
        """The job as it is when its client should be answered: ended, no longer quick, or this is long enough."""
        if self._full or not self._places.acquire(blocking=False):
            log.info("waiters_full")
            return job
        try:
            return self._wait(job)
        finally:
            self._places.release()

    def wake(self, orchestration_id: str | None) -> None:
        """Let the job's waiters look at its row now; all waiters for None."""
        with self._lock:
            chosen = list(self._events) if orchestration_id is None else [orchestration_id]
            woken = [event for name in chosen for event in self._events.get(name, ())]
        for event in woken:
            event.set()

    def stop_when(self, stopping: Callable[[], bool]) -> None:
        """Answer waiters early once `stopping()`: a restart should not take as long as the longest wait."""
        self._stopping = stopping

    def close(self) -> None:
        """End the listening thread."""
        self._listener.close()

    @property
    def count(self) -> int:
        """How many requests wait now."""
        with self._lock:
            return sum(len(events) for events in self._events.values())

    def _wait(self, job: Job) -> Job:
        until = time.monotonic() + self._settings.inline_wait_s
        self._listener.ensure_running()
        with self._registered(job.orchestration_id) as event:  # before the first read, so that nothing is missed
            while True:
                event.clear()
                try:
                    job = self._read(job.orchestration_id)
                except (OperationalError, PoolTimeout) as err:  # the job is safe: only this answer is not
                    log.warning("wait_without_database", error=type(err).__name__)
                    return job
                left = until - time.monotonic()
                if job.terminal or not job.inline or left <= 0 or self._stopping():
                    return job
                event.wait(min(LOOK_AGAIN_S, left))

    def _read(self, orchestration_id: str) -> Job:
        with self._engine.connect() as conn:
            return store.get(conn, orchestration_id)

    @contextmanager
    def _registered(self, orchestration_id: str) -> Iterator[threading.Event]:
        event = threading.Event()
        with self._lock:
            self._events.setdefault(orchestration_id, set()).add(event)
        try:
            yield event
        finally:
            with self._lock:
                waiters = self._events[orchestration_id]
                waiters.discard(event)
                if not waiters:
                    del self._events[orchestration_id]
