"""Ending a job that will not succeed: everything open is skipped, then its compensations run, then it is over."""

from __future__ import annotations

import json

from sqlalchemy import Connection, text

from workflows.errors import OrchestratorError
from workflows.jobs import compensations, store, webhooks
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState

# A running step is skipped too: its next heartbeat finds no row under its token, and it kills its FFmpeg.
_SKIP = text("""
UPDATE steps SET state = 'skipped', lease_owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
WHERE orchestration_id = :job AND state IN ('blocked', 'ready', 'waiting', 'running')
""")


def end(conn: Connection, job: Job, outcome: JobState, error: OrchestratorError | None) -> None:
    """Start ending a locked job as failed, cancelled or timed_out. Ends at once when there is nothing to undo."""
    conn.execute(_SKIP, {"job": job.orchestration_id})
    described = json.loads(error.as_json()) if error else None
    store.transition(
        conn,
        job,
        JobState.COMPENSATING,
        event={"outcome": outcome.value, "error": described},
        outcome=outcome.value,
        error=described,
    )
    conn.execute(
        text(
            """UPDATE allocations SET state = 'released', released_at = now()
               WHERE orchestration_id = :job AND state = 'requested'"""
        ),
        {"job": job.orchestration_id},
    )
    finish_if_compensated(conn, store.get(conn, job.orchestration_id))


def finish_if_compensated(conn: Connection, job: Job) -> bool:
    """Give a locked, compensating job its outcome once no compensation is pending; whether it did."""
    if job.state is not JobState.COMPENSATING or compensations.count_pending(conn, job.orchestration_id):
        return False
    assert job.outcome is not None  # noqa: S101 - written with the state
    store.transition(conn, job, job.outcome, event={"error": job.error})
    webhooks.enqueue_for(conn, job.orchestration_id)
    return True


def succeed(conn: Connection, job: Job, *, fence: int, result: dict[str, object]) -> None:
    """Publish a locked job's output by pointer swap and end it as succeeded. The caller holds the step's token."""
    conn.execute(text("UPDATE artifacts SET state = 'published' WHERE key = :key"), {"key": result["key"]})
    conn.execute(
        text("UPDATE jobs SET result = CAST(:result AS jsonb), output_fence = :fence WHERE orchestration_id = :job"),
        {"result": json.dumps(result), "fence": fence, "job": job.orchestration_id},
    )
    compensations.discharge(conn, job.orchestration_id, action="delete_object")
    store.transition(conn, job, JobState.SUCCEEDED, event={"key": result["key"]})
