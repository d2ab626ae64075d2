"""What a failed attempt means: the table from an error's kind to retry, wait, safe queue or the end. Pure on top.

`failures` (our errors) and `losses` (workers that vanished) are counted apart; waiting for a resource counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, text

from workflows.errors import FailureKind, NoCapacity, OrchestratorError, WorkerLost
from workflows.jobs import ending, events, leases
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import JobState
from workflows.planning.model import Retries
from workflows.policy import Policy

RESOURCE_WAIT_S = 5.0
RESOURCE_TRIES = 24  # two minutes of full disk are an error
SAFE_QUEUE = "safe"


class Action(StrEnum):
    """What happens to the step."""

    RETRY = "retry"  # waiting, then ready again
    AGAIN = "again"  # ready at once: the work was lost, not wrong
    SAFE = "safe"  # once more, alone, in the safe queue
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The action, how long to wait and the counters after it."""

    action: Action
    reason: str
    delay_s: float = 0.0
    failures: int
    losses: int


def allowed(retries: Retries, policy: Policy) -> Retries:
    """The template's retries, or none where the policy turns them off. Lost workers are made good all the same."""
    return retries if policy.retry_enabled else replace(retries, limit=0)


def decide(
    error: OrchestratorError, step: Step, retries: Retries, *, loss_limit: int, jitter: Callable[[float], float]
) -> Decision:
    """The decision for one failed attempt. `jitter` maps the backoff's bound to a wait (full jitter: uniform to it)."""
    failures, losses = step.failures, step.losses
    if error.kind is FailureKind.PERMANENT:
        return Decision(action=Action.FAIL, reason="permanent", failures=failures, losses=losses)
    if error.kind is FailureKind.RESOURCE:
        waiting = step.attempts < RESOURCE_TRIES
        return Decision(
            action=Action.RETRY if waiting else Action.FAIL,
            reason="resource",
            delay_s=RESOURCE_WAIT_S,
            failures=failures,
            losses=losses,
        )
    if error.kind is FailureKind.LOST:
        return _lost(step, losses + 1, loss_limit)
    failures += 1
    if failures > retries.limit:
        return Decision(action=Action.FAIL, reason="retries are used up", failures=failures, losses=losses)
    bound = min(retries.cap_s, retries.base_s * retries.factor ** (failures - 1))
    return Decision(action=Action.RETRY, reason="retry", delay_s=jitter(bound), failures=failures, losses=losses)


def _lost(step: Step, losses: int, limit: int) -> Decision:
    if losses <= limit:
        return Decision(action=Action.AGAIN, reason="lost", failures=step.failures, losses=losses)
    if step.queue != SAFE_QUEUE:
        return Decision(action=Action.SAFE, reason="lost too often", failures=step.failures, losses=losses)
    return Decision(action=Action.FAIL, reason="lost in the safe queue too", failures=step.failures, losses=losses)


_LEAVE = text("""
UPDATE steps SET state = :state, reason = :reason, failures = :failures, losses = :losses,
  error = CAST(:error AS jsonb), queue = coalesce(:queue, queue), lease_owner = NULL, lease_until = NULL,
  next_attempt_at = CASE WHEN :state = 'waiting' THEN clock_timestamp() + make_interval(secs => :delay) END,
  dispatched_at = CASE WHEN :state = 'ready' THEN clock_timestamp() ELSE dispatched_at END,
  finished_at = CASE WHEN :state = 'failed' THEN clock_timestamp() END
WHERE id = :step AND fence = :fence AND state = 'running'
""")

STATE_AFTER = {Action.RETRY: "waiting", Action.AGAIN: "ready", Action.SAFE: "ready", Action.FAIL: "failed"}


def apply(conn: Connection, job: Job, step: Step, error: OrchestratorError, decision: Decision) -> bool:
    """Carry a decision out on a step whose job is locked; False when the step is another attempt's by now."""
    changed = conn.execute(
        _LEAVE,
        {
            "state": STATE_AFTER[decision.action],
            "reason": decision.reason,
            "failures": decision.failures,
            "losses": decision.losses,
            "error": error.as_json(),
            "delay": decision.delay_s,
            "queue": SAFE_QUEUE if decision.action is Action.SAFE else None,
            "step": step.id,
            "fence": step.fence,
        },
    )
    if changed.rowcount == 0:
        return False
    events.append(
        conn,
        job.orchestration_id,
        "step_failed",
        step=step.name,
        action=decision.action.value,
        reason=decision.reason,
        attempt=step.attempts,
        fence=step.fence,
        error=error.as_dict(),
        delay_s=round(decision.delay_s, 3),
    )
    if decision.action is Action.FAIL:
        _end(conn, job, step, error)
    return True


def _end(conn: Connection, job: Job, step: Step, error: OrchestratorError) -> None:
    """The job fails with its step; but a step after the success only lets those behind it go on."""
    if job.state is JobState.SUCCEEDED:
        leases.open_successors(conn, step.successors)
    elif not job.terminal and job.state is not JobState.COMPENSATING:
        ending.end(conn, job, JobState.FAILED, _final(error))


def _final(error: OrchestratorError) -> OrchestratorError:
    if error.kind is FailureKind.LOST:
        return WorkerLost("the step lost its worker too often", details={"last": error.as_dict()})
    if error.kind is FailureKind.RESOURCE:
        return NoCapacity(error.message, details=error.details)
    return error
