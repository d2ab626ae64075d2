"""upload: the object in the store is the file that was rendered, whole; only then it is recorded as an artifact."""

from __future__ import annotations

from sqlalchemy import Connection

from orchestrator_tasks.task import Context, Outcome
from workflows.errors import StorageFailed
from workflows.jobs import artifacts
from workflows.jobs.rows import Job


def run(ctx: Context) -> Outcome:
    """Raises StorageFailed when the object is missing or differs."""
    stored = ctx.claim.outputs["process"]
    found = ctx.tools.store.head(stored["key"])
    if found is None or (found.size_bytes, found.sha256) != (stored["size_bytes"], stored["sha256"]):
        raise StorageFailed("the stored result is not the rendered file", details={"key": stored["key"]})

    def effect(conn: Connection, _: Job) -> None:
        artifacts.mark_recorded(conn, found.key)

    return Outcome(output={"key": found.key, "etag": found.etag, "size_bytes": found.size_bytes}, effect=effect)
