"""Bringing one source into a workspace: from the node's cache if it still holds, else from its server or bucket."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator_tasks.fetch import http, s3
from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.budget import Budget, Limits, blame, never
from orchestrator_tasks.fetch.cache import Known, SourceCache
from orchestrator_tasks.fetch.http import OnBytes, Transfer, Validators
from orchestrator_tasks.fetch.s3 import S3Url
from orchestrator_tasks.fetch.sink import HEAD_BYTES
from orchestrator_tasks.fetch.sniff import demand_media
from orchestrator_tasks.fetch.urls import split
from orchestrator_tasks.fetch.wire import Route, resolve_host
from workflows.errors import SourceCorrupt, SourceError
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """One source. `path` is the JSON path that errors name, `kinds` the types of the elements that use it."""

    url: str
    path: str
    kinds: frozenset[str]
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """A source as a later step knows it: what it must be, and where it was ingested to, if it was."""

    request: SourceRequest
    sha256: str
    size_bytes: int
    store_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A source in the workspace: a read-only file named by its sha256."""

    url: str
    path: Path
    sha256: str
    size_bytes: int
    from_cache: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What downloads of one step share. `deadline` is on the `time.monotonic` clock."""

    settings: Settings
    store: ObjectStore
    cache: SourceCache
    workspace: Path
    route: Route
    limits: Limits
    deadline: float = math.inf
    should_stop: Callable[[], bool] = never

    def budget(self) -> Budget:
        """A fresh budget, of one transfer."""
        return Budget(self.limits, deadline=self.deadline, should_stop=self.should_stop)


def fetching(
    settings: Settings,
    *,
    store: ObjectStore,
    cache: SourceCache,
    workspace: Path,
    deadline: float = math.inf,
    should_stop: Callable[[], bool] = never,
) -> Fetching:
    """Downloads by the settings' rules. May look our own engines' addresses up."""
    return Fetching(
        settings=settings,
        store=store,
        cache=cache,
        workspace=workspace,
        route=Route(policy=AddressPolicy.from_settings(settings, resolve=resolve_host)),
        limits=Limits.from_settings(settings),
        deadline=deadline,
        should_stop=should_stop,
    )


def fetch_source(request: SourceRequest, way: Fetching, on_bytes: OnBytes | None = None) -> Fetched:
    """The source as its server has it now. Raises a SourceError, Cancelled, DeadlineExceeded or NoCapacity."""
    arrived = time.time()
    patience = way.budget()
    with blame(request.path):
        patience.check()
        with way.cache.single_flight(request.tenant, request.url, patience.check):
            return _bring(request, way, arrived, on_bytes)


def materialise(ref: SourceRef, way: Fetching, on_bytes: OnBytes | None = None) -> Fetched:
    """The source as it was when the job first saw it: from the cache, else the store, else its server.

    Raises SourceCorrupt when the server's file is another one by now, and what `fetch_source` raises.
    """
    request = ref.request
    with blame(request.path):
        here = way.cache.link_into(way.workspace, ref.sha256, ref.size_bytes) or _from_store(ref, way, on_bytes)
        if here:
            return _fetched(request, here, ref.sha256, ref.size_bytes, from_cache=True)
        fetched = fetch_source(request, way, on_bytes)
        if fetched.sha256 != ref.sha256:
            raise SourceCorrupt("the source changed while the job ran", remedy="Post the job again.")
        return fetched


def _bring(request: SourceRequest, way: Fetching, arrived: float, on_bytes: OnBytes | None) -> Fetched:
    known = way.cache.known(request.tenant, request.url)
    # Whoever fetched it while we waited for the flight fetched it for us too.
    shared = known is not None and known.fetched_at >= arrived
    with way.cache.partial() as partial:
        transfer = None if shared else _pull(request, way, partial, known.validators if known else None, on_bytes)
        if transfer is None and known is not None:
            cached = _from_cache(request, way, known, on_bytes)
            if cached:
                return cached
        # Evicted between the question and now: ask again, for all of it.
        transfer = transfer or _pull(request, way, partial, None, on_bytes)
        if transfer is None:
            raise AssertionError("an unconditional request has no 'not modified'")
        given = way.cache.adopt(partial, transfer.sha256, way.workspace)
    _remember(request, way, transfer)
    return _fetched(request, given, transfer.sha256, transfer.size_bytes, from_cache=False)


def _pull(
    request: SourceRequest, way: Fetching, partial: Path, known: Validators | None, on_bytes: OnBytes | None
) -> Transfer | None:
    def inspect(head: bytes) -> None:
        demand_media(head, request.kinds)

    if split(request.url).scheme == "s3":
        place = s3.parse_s3(request.url, tenant=request.tenant, settings=way.settings)
        return s3.copy(
            place, partial, path=request.path, store=way.store, budget=way.budget(), known=known,
            inspect=inspect, on_bytes=on_bytes,
        )  # fmt: skip
    return http.download(
        request.url, partial, path=request.path, route=way.route, budget=way.budget(), known=known,
        inspect=inspect, on_bytes=on_bytes,
    )  # fmt: skip


def _from_cache(request: SourceRequest, way: Fetching, known: Known, on_bytes: OnBytes | None) -> Fetched | None:
    given = way.cache.link_into(way.workspace, known.sha256, known.size_bytes)
    if given is None:
        return None
    with given.open("rb") as file:
        demand_media(file.read(HEAD_BYTES), request.kinds)  # other elements may use it than the first time
    way.cache.remember(request.tenant, request.url, replace(known, fetched_at=time.time()))
    if on_bytes:
        on_bytes(known.size_bytes, known.size_bytes)
    return _fetched(request, given, known.sha256, known.size_bytes, from_cache=True)


def _from_store(ref: SourceRef, way: Fetching, on_bytes: OnBytes | None) -> Path | None:
    if ref.store_key is None:
        return None
    place = S3Url(bucket=way.settings.s3_bucket, key=ref.store_key)
    patience = way.budget()
    with way.cache.single_flight(ref.request.tenant, f"sha256:{ref.sha256}", patience.check):
        here = way.cache.link_into(way.workspace, ref.sha256, ref.size_bytes)
        if here:
            return here
        with way.cache.partial() as partial:
            try:
                found = s3.copy(
                    place, partial, path=ref.request.path, store=way.store, budget=way.budget(), on_bytes=on_bytes
                )
            except SourceError:
                return None  # the source itself comes next
            if found is None or found.sha256 != ref.sha256:
                return None
            return way.cache.adopt(partial, found.sha256, way.workspace)


def _remember(request: SourceRequest, way: Fetching, transfer: Transfer) -> None:
    known = Known(
        sha256=transfer.sha256,
        size_bytes=transfer.size_bytes,
        etag=transfer.validators.etag,
        last_modified=transfer.validators.last_modified,
        fetched_at=time.time(),
    )
    way.cache.remember(request.tenant, request.url, known)


def _fetched(request: SourceRequest, path: Path, sha256: str, size_bytes: int, *, from_cache: bool) -> Fetched:
    return Fetched(url=request.url, path=path, sha256=sha256, size_bytes=size_bytes, from_cache=from_cache)
