"""Retention: results past their time and objects no result points at leave the store. Beat runs it."""

from __future__ import annotations

import structlog
from sqlalchemy import text

from orchestrator_tasks.runtime import Runtime
from workflows.errors import StorageFailed

log = structlog.get_logger(__name__)
BATCH = 100

# Losers of a race (staged by an attempt that was fenced) get an hour: their attempt may still be uploading.
_DUE = text("""
SELECT a.key FROM artifacts a JOIN jobs j USING (orchestration_id)
WHERE a.key > :after AND a.state <> 'deleted' AND j.finished_at IS NOT NULL AND (
  (a.state = 'published' AND j.retain_until < clock_timestamp())
  OR (a.state <> 'published' AND j.finished_at < clock_timestamp() - interval '1 hour'))
ORDER BY a.key LIMIT :batch
""")


def run(tools: Runtime) -> int:
    """Delete what is due; how many objects went. What the store would not delete is left for the next run."""
    deleted, after = 0, ""
    while keys := _due(tools, after):
        after = keys[-1]
        deleted += _delete(tools, keys)
    with tools.engine.begin() as conn:
        conn.execute(text("DELETE FROM idempotency WHERE expires_at < clock_timestamp()"))
    log.info("retention", deleted=deleted)
    return deleted


def _due(tools: Runtime, after: str) -> list[str]:
    with tools.engine.connect() as conn:
        return list(conn.execute(_DUE, {"after": after, "batch": BATCH}).scalars())


def _delete(tools: Runtime, keys: list[str]) -> int:
    try:
        tools.store.delete(keys)
    except StorageFailed as err:
        log.warning("retention_failed", error=err.message, keys=len(keys))
        return 0
    with tools.engine.begin() as conn:
        conn.execute(text("UPDATE artifacts SET state = 'deleted' WHERE key = ANY(:keys)"), {"keys": keys})
    return len(keys)
