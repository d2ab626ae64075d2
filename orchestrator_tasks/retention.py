"""Retention: results past their time and objects no result points at leave the store. Beat runs it."""

from __future__ import annotations

import structlog
from sqlalchemy import Connection, text

from orchestrator_tasks.runtime import Runtime

log = structlog.get_logger(__name__)
BATCH = 500

# Losers of a race (staged by an attempt that was fenced) get an hour: their attempt may still be uploading.
_DUE = text("""
SELECT a.key FROM artifacts a JOIN jobs j USING (orchestration_id)
WHERE a.state <> 'deleted' AND j.finished_at IS NOT NULL AND (
  (a.state = 'published' AND j.retain_until < clock_timestamp())
  OR (a.state <> 'published' AND j.finished_at < clock_timestamp() - interval '1 hour'))
LIMIT :batch
""")


def run(tools: Runtime) -> int:
    """Delete one batch; how many objects went."""
    with tools.engine.connect() as conn:
        keys = list(conn.execute(_DUE, {"batch": BATCH}).scalars())
    if not keys:
        return 0
    tools.store.delete(keys)
    with tools.engine.begin() as conn:
        _mark(conn, keys)
    log.info("retention", deleted=len(keys))
    return len(keys)


def _mark(conn: Connection, keys: list[str]) -> None:
    conn.execute(text("UPDATE artifacts SET state = 'deleted' WHERE key = ANY(:keys)"), {"keys": keys})
    conn.execute(
        text("DELETE FROM idempotency WHERE expires_at < clock_timestamp()"),
    )
