"""Objects a job has put into the store. A row stands before its object, so that nothing is ever left unknown."""

from __future__ import annotations

from sqlalchemy import Connection, text

from workflows.errors import LeaseLost
from workflows.jobs import compensations, store
from workflows.jobs.leases import Claim


def stage(conn: Connection, claim: Claim, key: str, *, sha256: str, size_bytes: int) -> None:
    """Note an object that is about to be put, and how to undo it. Raises LeaseLost when the step is another's."""
    store.get(conn, claim.orchestration_id, lock=True)
    held = conn.execute(
        text("SELECT 1 FROM steps WHERE id = :id AND fence = :fence AND state = 'running'"),
        {"id": claim.step_id, "fence": claim.fence},
    ).one_or_none()
    if held is None:
        raise LeaseLost(f"{claim.step_id} belongs to another attempt")
    known = conn.execute(text("SELECT 1 FROM artifacts WHERE key = :key"), {"key": key}).one_or_none()
    if known is not None:
        return  # staged by this attempt before, its answer lost on the way
    compensations.record(conn, claim.orchestration_id, claim.step_id, "delete_object", key=key)
    conn.execute(
        text("""
        INSERT INTO artifacts (key, orchestration_id, step_id, fence, sha256, size_bytes, state)
        VALUES (:key, :job, :step, :fence, :sha256, :size, 'staged') ON CONFLICT (key) DO NOTHING
        """),
        {
            "key": key,
            "job": claim.orchestration_id,
            "step": claim.step_id,
            "fence": claim.fence,
            "sha256": sha256,
            "size": size_bytes,
        },
    )


def mark_recorded(conn: Connection, key: str) -> None:
    """The object was verified in the store."""
    conn.execute(text("UPDATE artifacts SET state = 'recorded' WHERE key = :key AND state = 'staged'"), {"key": key})
