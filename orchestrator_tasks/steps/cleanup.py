"""cleanup: scratch gone, reservation given back, no lease of the job held; then the next in line may go."""

from __future__ import annotations

from sqlalchemy import Connection, text

from orchestrator_tasks import compensate
from orchestrator_tasks.task import Context, Outcome
from workflows.fleet import allocation
from workflows.jobs.rows import Job


def run(ctx: Context) -> Outcome:
    """Proves in the completing transaction that nothing is held any more."""

    def effect(conn: Connection, job: Job) -> None:
        allocation.release(conn, job.orchestration_id)
        _prove_nothing_held(conn, job)

    return Outcome(output={}, effect=effect, after=lambda: compensate.grant_waiting(ctx.tools))


def _prove_nothing_held(conn: Connection, job: Job) -> None:
    held = conn.execute(
        text("""
        SELECT (SELECT count(*) FROM steps WHERE orchestration_id = :job AND lease_owner IS NOT NULL)
          + (SELECT count(*) FROM allocations WHERE orchestration_id = :job AND state = 'granted')
        """),
        {"job": job.orchestration_id},
    ).scalar_one()
    if held:
        raise AssertionError(f"{held} leases or reservations of an ended job are still held")
