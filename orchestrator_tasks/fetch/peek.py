"""Looking at a source without fetching it: does its server answer, within the rules, with the right kind of file?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from orchestrator_tasks.fetch import http, s3
from orchestrator_tasks.fetch.sniff import demand_media
from orchestrator_tasks.fetch.source import Fetching, SourceRequest
from orchestrator_tasks.fetch.urls import split

THREADS = 8


class _SeenError(Exception):
    """Enough has been read."""


def peek_all(sources: Sequence[SourceRequest], way: Fetching) -> None:
    """Ask for every source at once and read only its first bytes.

    Raises the first permanent error in the order of the sources, else the first passing one.
    """
    with ThreadPoolExecutor(THREADS, thread_name_prefix="peek") as pool:
        running = [pool.submit(peek, one, way) for one in sources]
        errors = [error for job in running if (error := job.exception()) is not None]
    if errors:
        raise next((error for error in errors if not getattr(error, "retryable", True)), errors[0])


def peek(request: SourceRequest, way: Fetching) -> None:
    """One source. A file the cache has is asked for conditionally: "not modified" is as good as its first bytes."""
    known = way.cache.known(request.tenant, request.url)
    validators = known.validators if known else None

    def inspect(head: bytes) -> None:
        demand_media(head, request.kinds)
        raise _SeenError

    try:
        with way.cache.partial() as partial:
            if split(request.url).scheme == "s3":
                place = s3.parse_s3(request.url, tenant=request.tenant, settings=way.settings)
                s3.copy(
                    place,
                    partial,
                    path=request.path,
                    store=way.store,
                    budget=way.budget(),
                    known=validators,
                    inspect=inspect,
                )
            else:
                http.download(
                    request.url,
                    partial,
                    path=request.path,
                    route=way.route,
                    budget=way.budget(),
                    known=validators,
                    inspect=inspect,
                )
    except _SeenError:
        return
