"""What several steps do with a job's sources: who uses them, fetching them, and the scene they make. No step itself."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

from orchestrator_tasks.fetch.source import Fetching, SourceRef, SourceRequest, fetching, materialise
from orchestrator_tasks.ffmpeg.probe import probe
from orchestrator_tasks.task import Context
from workflows.spec.media import MediaInfo
from workflows.spec.model import JobSpec
from workflows.spec.schema import load


def spec_of(ctx: Context) -> JobSpec:
    """The job as its client wrote it."""
    return load(ctx.claim.job.body)


def requests_of(spec: JobSpec, tenant: str) -> list[SourceRequest]:
    """Each source once, with the first element that names it and the kinds of all that use it."""
    found: dict[str, SourceRequest] = {}
    for index, element in enumerate(spec.elements):
        if element.source is None:
            continue
        before = found.get(element.source)
        found[element.source] = SourceRequest(
            url=element.source,
            path=before.path if before else f"elements[{index}].source",
            kinds=(before.kinds if before else frozenset()) | {element.type},
            tenant=tenant,
        )
    return list(found.values())


def way_of(ctx: Context) -> Fetching:
    """Downloads under this step's lease and deadline."""
    left = ctx.claim.remaining_s
    return fetching(
        ctx.tools.settings,
        store=ctx.tools.store,
        cache=ctx.tools.cache,
        workspace=ctx.scratch,
        deadline=math.inf if left is None else time.monotonic() + left,
        should_stop=lambda: ctx.lease.should_stop() is not None,
    )


def files_of(ctx: Context, spec: JobSpec) -> dict[str, Path]:
    """The downloaded sources as files in this attempt's workspace, by URL: cache, else store, else their server."""
    fetched = ctx.claim.outputs["download"]["sources"]
    way = way_of(ctx)
    files = {}
    for request in requests_of(spec, ctx.tenant):
        known = fetched[request.url]
        ref = SourceRef(request=request, sha256=known["sha256"], size_bytes=known["size_bytes"])
        files[request.url] = materialise(ref, way, lambda _, __: ctx.lease.alive()).path
    return files


def probed(ctx: Context, files: Mapping[str, Path]) -> dict[str, MediaInfo]:
    """What each file is, by URL; answers are cached by content."""
    hashes = {url: known["sha256"] for url, known in ctx.claim.outputs["download"]["sources"].items()}
    paths = {request.url: request.path for request in requests_of(spec_of(ctx), ctx.tenant)}
    return {url: probe(path, hashes[url], paths[url], ctx.tools.settings) for url, path in files.items()}
