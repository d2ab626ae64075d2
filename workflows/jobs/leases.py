"""A step in a worker's hands: claim, heartbeat, complete. Every write is guarded by the fencing token.

A Celery message is only a hint that a step may be runnable; the claim decides, in database time. A lease that ran out
but that nobody took revives with the next heartbeat.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from workflows.errors import Cancelled, LeaseLost
from workflows.jobs import events, store
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import JobState, StepState
from workflows.planning.model import PLAN_VERSION, Plan
from workflows.planning.plan import plan_from_dict


class Refusal(StrEnum):
    """Why a message found nothing to claim."""

    PASS_ON = "pass_on"  # noqa: S105 - already done, and its successor waits for a message: let the canvas go on
    NOTHING = "nothing"  # running elsewhere, blocked, cancelled, superseded, too new for us: stop here


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A step that is ours until the lease runs out. `outputs` are those of the job's finished steps, by name."""

    step_id: str
    name: str
    fence: int
    attempt: int
    owner: str
    job: Job
    plan: Plan
    outputs: Mapping[str, dict[str, Any]]
    step_names: tuple[str, ...]
    time_limit_s: float
    stall_s: float
    remaining_s: float | None  # to the job's deadline

    @property
    def orchestration_id(self) -> str:
        """The job's id."""
        return self.job.orchestration_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a heartbeat brings back."""

    cancel_requested: bool
    remaining_s: float | None


_CLAIM = text("""
UPDATE steps SET state = 'running', fence = fence + 1, attempts = attempts + 1, lease_owner = :owner, node = :node,
  lease_until = clock_timestamp() + make_interval(secs => :lease), heartbeat_at = clock_timestamp(),
  started_at = clock_timestamp(), progress = 0, reason = NULL, next_attempt_at = NULL, publishes = 0
WHERE id = :step AND state = 'ready' AND open_predecessors = 0 AND version = :version
RETURNING fence, attempts
""")

# A job's time is over with its success: the steps after it (notify, cleanup) only have their own limits.
_BEAT = text("""
UPDATE steps SET lease_until = clock_timestamp() + make_interval(secs => :lease), heartbeat_at = clock_timestamp(),
  progress = greatest(progress, :progress)
FROM jobs
WHERE steps.id = :step AND steps.fence = :fence AND steps.state = 'running'
  AND jobs.orchestration_id = steps.orchestration_id
RETURNING jobs.cancel_requested AND jobs.finished_at IS NULL AS cancel_requested,
  CASE WHEN jobs.finished_at IS NULL THEN
    extract(epoch FROM least(jobs.deadline_at, jobs.total_deadline_at) - clock_timestamp())::float END AS remaining_s
""")

_DONE = text("""
UPDATE steps SET state = 'done', output = CAST(:output AS jsonb), progress = 1, lease_owner = NULL, lease_until = NULL,
  error = NULL, finished_at = clock_timestamp()
WHERE id = :step AND fence = :fence AND state = 'running'
""")

_OPEN_SUCCESSORS = text("""
UPDATE steps SET open_predecessors = open_predecessors - 1,
  state = CASE WHEN open_predecessors = 1 THEN 'ready' ELSE state END,
  ready_at = CASE WHEN open_predecessors = 1 THEN clock_timestamp() ELSE ready_at END,
  dispatched_at = CASE WHEN open_predecessors = 1 THEN clock_timestamp() ELSE dispatched_at END
WHERE id = ANY(:successors) AND state = 'blocked'
""")

_REMAINING = text("""
SELECT extract(epoch FROM least(deadline_at, total_deadline_at) - clock_timestamp())::float AS remaining_s
FROM jobs WHERE orchestration_id = :job AND finished_at IS NULL
""")


def claim(conn: Connection, step_id: str, *, owner: str, node: str, lease_s: float) -> Claim | Refusal:
    """Take a ready step, or say why not. One transaction of the caller; the job's row is locked first."""
    step = store.step(conn, step_id)
    job = store.get(conn, step.orchestration_id, lock=True)
    row = None
    if _claimable(job, step):
        row = conn.execute(
            _CLAIM, {"step": step_id, "owner": owner, "node": node, "lease": lease_s, "version": PLAN_VERSION}
        ).one_or_none()
    if row is None:
        return _refusal(conn, store.step(conn, step_id))
    siblings = store.steps_of(conn, step.workflow_id)
    if job.state is JobState.ACCEPTED:
        store.transition(conn, job, JobState.PROCESSING)
    events.append(
        conn, job.orchestration_id, "step_started", step=step.name, attempt=row.attempts, fence=row.fence, owner=owner
    )
    return Claim(
        step_id=step_id,
        name=step.name,
        fence=row.fence,
        attempt=row.attempts,
        owner=owner,
        job=job,
        plan=plan_of(conn, step.workflow_id),
        outputs={s.name: s.output or {} for s in siblings if s.state is StepState.DONE},
        step_names=tuple(s.name for s in siblings),
        time_limit_s=step.time_limit_s,
        stall_s=step.stall_s,
        remaining_s=conn.execute(_REMAINING, {"job": job.orchestration_id}).scalar_one_or_none(),
    )


def _claimable(job: Job, step: Step) -> bool:
    """A job that has ended lets only the steps after its success run."""
    if step.workflow_id != job.workflow_id or job.cancel_requested:
        return job.state is JobState.SUCCEEDED and step.workflow_id == job.workflow_id
    return job.state in {JobState.ACCEPTED, JobState.QUEUED, JobState.PROCESSING, JobState.SUCCEEDED}


def plan_of(conn: Connection, workflow_id: str) -> Plan:
    """The plan of a workflow."""
    return plan_from_dict(
        conn.execute(text("SELECT plan FROM workflows WHERE id = :id"), {"id": workflow_id}).scalar_one()
    )


def _refusal(conn: Connection, step: Step) -> Refusal:
    if step.state is not StepState.DONE or not step.successors:
        return Refusal.NOTHING
    unclaimed = conn.execute(
        text("SELECT count(*) FROM steps WHERE id = ANY(:ids) AND state = 'ready'"), {"ids": step.successors}
    ).scalar_one()
    return Refusal.PASS_ON if unclaimed else Refusal.NOTHING


def heartbeat(conn: Connection, claim: Claim, *, progress: float, lease_s: float) -> Beat:
    """Extend the lease and carry the progress (0..1). Raises LeaseLost when the step is another attempt's now."""
    row = conn.execute(
        _BEAT, {"step": claim.step_id, "fence": claim.fence, "progress": progress, "lease": lease_s}
    ).one_or_none()
    if row is None:
        raise LeaseLost(f"{claim.step_id} belongs to another attempt")
    return Beat(cancel_requested=row.cancel_requested, remaining_s=row.remaining_s)


def complete(
    conn: Connection, claim: Claim, output: Mapping[str, Any], effect: Callable[[Connection, Job], None] | None = None
) -> None:
    """Mark the step done and open its successors, with `effect` in the same transaction under the job's lock.

    Raises LeaseLost when another attempt has the step, Cancelled when the job is to be cancelled.
    """
    job = store.get(conn, claim.orchestration_id, lock=True)
    if job.cancel_requested and not job.terminal:
        raise Cancelled("the job was cancelled")
    done = conn.execute(_DONE, {"step": claim.step_id, "fence": claim.fence, "output": json.dumps(output)})
    if done.rowcount == 0:
        raise LeaseLost(f"{claim.step_id} belongs to another attempt")
    open_successors(conn, store.step(conn, claim.step_id).successors)
    events.append(conn, claim.orchestration_id, "step_done", step=claim.name, attempt=claim.attempt, fence=claim.fence)
    if effect is not None:
        effect(conn, job)


def open_successors(conn: Connection, successors: list[str]) -> None:
    """One predecessor less for each; at zero a step is ready. This count is the barrier, not the broker's."""
    if successors:
        conn.execute(_OPEN_SUCCESSORS, {"successors": successors})
