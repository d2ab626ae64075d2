"""Reading jobs and steps, and the one door through which a job's state changes.

Lock order everywhere: the job's row first, then its steps. Times are the database's.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, text, update

from workflows.db.tables import jobs, steps
from workflows.errors import NotFound
from workflows.jobs import events
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import TERMINAL, JobState, check_job_edge


def get(conn: Connection, orchestration_id: str, *, lock: bool = False) -> Job:
    """The job with this orchestration id. `lock` holds its row to the transaction's end. Raises NotFound."""
    query = select(jobs).where(jobs.c.orchestration_id == orchestration_id)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"no job {orchestration_id}")
    return Job.from_row(row)


def find(conn: Connection, tenant: str, job_id: str) -> Job:
    """The tenant's job with the client's own id. Raises NotFound, for a foreign tenant's too."""
    row = conn.execute(select(jobs).where(jobs.c.tenant == tenant, jobs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"no job {job_id}")
    return Job.from_row(row)


def steps_of(conn: Connection, workflow_id: str) -> tuple[Step, ...]:
    """The steps of a workflow, in order."""
    rows = conn.execute(select(steps).where(steps.c.workflow_id == workflow_id).order_by(steps.c.position))
    return tuple(Step.from_row(row) for row in rows)


def step(conn: Connection, step_id: str) -> Step:
    """One step. Raises NotFound."""
    row = conn.execute(select(steps).where(steps.c.id == step_id)).one_or_none()
    if row is None:
        raise NotFound(f"no step {step_id}")
    return Step.from_row(row)


def transition(
    conn: Connection, job: Job, to: JobState, *, event: dict[str, Any] | None = None, **columns: Any
) -> None:
    """Move a locked job to another state: row, event and wake-up in the caller's transaction.

    `columns` are further columns to set. Raises IllegalTransition for an edge that does not exist.
    """
    check_job_edge(job.state, to)
    values = {"state": to.value, **columns}
    if to in TERMINAL:
        values["finished_at"] = text("clock_timestamp()")
    conn.execute(update(jobs).where(jobs.c.orchestration_id == job.orchestration_id).values(**values))
    events.append(conn, job.orchestration_id, f"job_{to.value}", **(event or {}))
    events.notify(conn, job.orchestration_id)
