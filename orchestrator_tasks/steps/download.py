"""download: all sources at once into the node's cache. The output says what each URL held, by content hash."""

from __future__ import annotations

from orchestrator_tasks.fetch.fetch import fetch_all
from orchestrator_tasks.steps.sources import requests_of, spec_of, way_of
from orchestrator_tasks.task import Context, Outcome


def run(ctx: Context) -> Outcome:
    """Raises a SourceError naming the element at fault."""

    def on_progress(done: int, total: int | None) -> None:
        if total:
            ctx.lease.progress(done / total)
        ctx.lease.alive()

    fetched = fetch_all(requests_of(spec_of(ctx), ctx.tenant), way_of(ctx), on_progress)
    sources = {
        url: {"sha256": one.sha256, "size_bytes": one.size_bytes, "from_cache": one.from_cache}
        for url, one in fetched.items()
    }
    return Outcome(output={"sources": sources})
