"""Bringing all sources of a job into its workspace, side by side."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from orchestrator_tasks.fetch.budget import never
from orchestrator_tasks.fetch.cache import SourceCache
from orchestrator_tasks.fetch.http import OnBytes
from orchestrator_tasks.fetch.source import Fetched, Fetching, SourceRequest, fetch_source, fetching
from workflows.errors import OrchestratorError
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

THREADS = 8

OnProgress = Callable[[int, int | None], None]  # bytes done, bytes in all (None while one is not known)


def fetch_sources(
    sources: Sequence[SourceRequest],
    *,
    settings: Settings,
    store: ObjectStore,
    cache: SourceCache,
    workspace: Path,
    deadline: float = math.inf,
    should_stop: Callable[[], bool] = never,
    on_progress: OnProgress | None = None,
) -> dict[str, Fetched]:
    """All sources of one tenant's job as files in `workspace`, by URL. `deadline` is on the `time.monotonic` clock.

    Raises as `fetch_all` does.
    """
    way = fetching(
        settings, store=store, cache=cache, workspace=workspace, deadline=deadline, should_stop=should_stop
    )  # fmt: skip
    return fetch_all(sources, way, on_progress)


def fetch_all(
    sources: Sequence[SourceRequest], way: Fetching, on_progress: OnProgress | None = None
) -> dict[str, Fetched]:
    """At most 8 downloads at once; a URL used twice is fetched once.

    The first permanent error stops the others and is raised; after a passing one the others are still brought in, so
    that the next try finds them. Raises a SourceError, Cancelled, DeadlineExceeded or NoCapacity.
    """
    wanted = _merged(sources)
    batch = _Batch(way, [one.url for one in wanted], on_progress)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as pool:
        try:
            running = [pool.submit(batch.fetch, one) for one in wanted]
            wait(running)
        finally:
            batch.ended.set()  # the threads end too when a time limit strikes this one
    if batch.failures:
        raise next((err for err in batch.failures if not err.retryable), batch.failures[0])
    return {found.url: found for job in running if (found := job.result())}


class _Batch:
    """What the threads of one `fetch_all` share."""

    def __init__(self, way: Fetching, urls: Sequence[str], on_progress: OnProgress | None) -> None:
        self.ended = threading.Event()
        self.failures: list[OrchestratorError] = []  # in the order in which they happened
        self._way = replace(way, should_stop=lambda: self.ended.is_set() or way.should_stop())
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._bytes: dict[str, tuple[int, int | None]] = dict.fromkeys(urls, (0, None))

    def fetch(self, one: SourceRequest) -> Fetched | None:
        """One source, or None with its error among the failures."""
        try:
            return fetch_source(one, self._way, self._meter(one.url))
        except OrchestratorError as err:
            with self._lock:
                self.failures.append(err)
            if not err.retryable:
                self.ended.set()
            return None
        except BaseException:
            self.ended.set()
            raise

    def _meter(self, url: str) -> OnBytes:
        def on_bytes(done: int, size: int | None) -> None:
            with self._lock:
                self._bytes[url] = (done, size)
                if self._on_progress:
                    self._on_progress(*self._sums())

        return on_bytes

    def _sums(self) -> tuple[int, int | None]:
        sizes = [size for _, size in self._bytes.values()]
        known = [size for size in sizes if size is not None]
        return sum(done for done, _ in self._bytes.values()), sum(known) if len(known) == len(sizes) else None


def _merged(sources: Sequence[SourceRequest]) -> list[SourceRequest]:
    """One request a URL: the first one's path, everyone's kinds."""
    merged: dict[str, SourceRequest] = {}
    for one in sources:
        earlier = merged.get(one.url)
        merged[one.url] = replace(earlier, kinds=earlier.kinds | one.kinds) if earlier else one
    return list(merged.values())
