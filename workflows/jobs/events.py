"""The job's history: gapless numbers per job, written in the transaction of the change they tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

CHANNEL = "orchestrator_jobs"

_APPEND = text("""
WITH numbered AS (
  UPDATE jobs SET event_count = event_count + 1 WHERE orchestration_id = :job RETURNING event_count
)
INSERT INTO events (orchestration_id, number, type, step, data)
SELECT :job, event_count, :type, :step, CAST(:data AS jsonb) FROM numbered
""")

_READ = text("""
SELECT number, at, type, step, data FROM events
WHERE orchestration_id = :job AND number > :after ORDER BY number LIMIT :limit
""")


def append(conn: Connection, orchestration_id: str, event: str, *, step: str | None = None, **data: Any) -> None:
    """Write the job's next event. Takes the job's row lock, which makes the numbers gapless."""
    conn.execute(_APPEND, {"job": orchestration_id, "type": event, "step": step, "data": json.dumps(data, default=str)})


def read(conn: Connection, orchestration_id: str, *, after: int = 0, limit: int = 500) -> Sequence[Row[Any]]:
    """The job's events after number `after`, oldest first."""
    return conn.execute(_READ, {"job": orchestration_id, "after": after, "limit": limit}).all()


def notify(conn: Connection, orchestration_id: str) -> None:
    """Wake whoever waits for this job, once the transaction commits."""
    conn.execute(text("SELECT pg_notify(:channel, :job)"), {"channel": CHANNEL, "job": orchestration_id})
