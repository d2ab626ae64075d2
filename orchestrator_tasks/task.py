"""One step from message to ledger: claim, work under a lease, complete or fail. Every step's task runs through here.

Running it twice does no harm: the second finds nothing to claim.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from celery.exceptions import Ignore
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from orchestrator_tasks import compensate
from orchestrator_tasks.lease import LeaseKeeper
from orchestrator_tasks.runtime import Runtime, owner, runtime
from orchestrator_tasks.workspace import workspace
from workflows import failpoints
from workflows.db.patience import patiently
from workflows.errors import Cancelled, DeadlineExceeded, LeaseLost, NoCapacity, OrchestratorError
from workflows.jobs import admission, ending, failure, leases, store
from workflows.jobs.admission import Gate
from workflows.jobs.leases import Claim, Refusal
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState

log = structlog.get_logger(__name__)


class UnexpectedError(OrchestratorError):
    """A defect of ours inside a step. Retried like any failure, and logged with its trace."""

    code = "internal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step leaves: its output, and what else its completing transaction shall do.

    `passed` tells that the step has been completed already (at a gate). `after` runs once that is committed.
    """

    output: Mapping[str, Any]
    effect: Callable[[Connection, Job], None] | None = None
    passed: bool = False
    after: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step works with."""

    claim: Claim
    tools: Runtime
    lease: LeaseKeeper
    scratch: Path

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return self.claim.job.tenant

    def wait_at(self, gate: Gate) -> Outcome:
        """Join a gate's line. Passes if there is room now; otherwise the step waits in the ledger, not here."""
        with self.tools.engine.begin() as conn:
            passed = admission.wait_in_line(conn, self.claim, gate, self.tools.policy)
        mine = self.claim.orchestration_id
        for orchestration_id in passed:
            if orchestration_id != mine:
                self.tools.publish(orchestration_id)
        if mine not in passed:
            raise Ignore
        return Outcome(output={}, passed=True)


Work = Callable[[Context], Outcome]


def execute(step_id: str, work: Work, worker: str) -> None:
    """The body of every step's task. Raises Ignore when the canvas shall stop here."""
    tools = runtime()
    claim = _claim(tools, step_id, worker)
    if claim is None:
        log.info("step_already_done", step_id=step_id)
        return
    job = claim.job
    with structlog.contextvars.bound_contextvars(
        orchestration_id=job.orchestration_id, job_id=job.job_id, step=claim.name, attempt=claim.attempt
    ):
        failpoints.hit("after_claim")
        _work(tools, claim, work)
    failpoints.hit("after_commit_before_ack")


def _claim(tools: Runtime, step_id: str, worker: str) -> Claim | None:
    """The step, or None when it is done already and the canvas may go on. Raises Ignore when the canvas ends here."""
    settings = tools.settings
    try:
        with tools.engine.begin() as conn:
            claim = leases.claim(conn, step_id, owner=owner(worker), node=settings.node, lease_s=settings.lease_s)
    except SQLAlchemyError as err:
        log.warning("claim_failed", step_id=step_id, error=str(err))
        raise Ignore from err  # still ready: the reconciler sends it again
    if claim is Refusal.NOTHING:
        raise Ignore
    return claim if isinstance(claim, Claim) else None


def _work(tools: Runtime, claim: Claim, work: Work) -> None:
    """Work under the lease; the verdict of the lease outweighs whatever error stopping caused."""
    keeper = LeaseKeeper(tools.engine, tools.settings, claim)
    try:
        with keeper, workspace(tools.scratch(claim.orchestration_id), claim) as scratch:
            outcome = work(Context(claim=claim, tools=tools, lease=keeper, scratch=scratch))
            if not outcome.passed:
                keeper.raise_if_stopped()
                _complete(tools, claim, outcome)
    except Ignore:
        raise
    except OrchestratorError as err:
        fail(tools, claim, keeper.verdict or err)
        raise Ignore from err
    except SQLAlchemyError as err:
        log.warning("ledger_unreachable", error=str(err))
        raise Ignore from err  # the lease runs out, and the reconciler takes the step over
    except OSError as err:
        full = err.errno == errno.ENOSPC
        problem = NoCapacity("the node's disk is full") if full else UnexpectedError(f"{err} in {claim.name}")
        fail(tools, claim, keeper.verdict or problem)
        raise Ignore from err
    except Exception as err:
        log.exception("step_crashed")
        fail(tools, claim, keeper.verdict or UnexpectedError(f"{type(err).__name__} in {claim.name}"))
        raise Ignore from err
    if outcome.after is not None:
        outcome.after()


def _complete(tools: Runtime, claim: Claim, outcome: Outcome) -> None:
    failpoints.hit("before_complete")

    def complete() -> None:
        with tools.engine.begin() as conn:
            leases.complete(conn, claim, outcome.output, outcome.effect)

    patiently(complete)
    log.info("step_finished", fence=claim.fence)


def fail(tools: Runtime, claim: Claim, error: OrchestratorError) -> None:
    """Write a failed attempt into the ledger and do at once what follows from it."""
    log.warning("step_failed", code=error.code, error=error.message, details=error.details)
    if isinstance(error, LeaseLost):
        return
    try:
        with tools.engine.begin() as conn:
            job = store.get(conn, claim.orchestration_id, lock=True)
            action = _apply(conn, tools, job, claim, error)
    except SQLAlchemyError as err:
        log.warning("ledger_unreachable", error=str(err))
        return
    if action in {failure.Action.AGAIN, failure.Action.SAFE}:
        tools.publish(claim.orchestration_id)
    if action is failure.Action.FAIL:
        compensate.run(tools, claim.orchestration_id)


def _apply(conn: Connection, tools: Runtime, job: Job, claim: Claim, error: OrchestratorError) -> failure.Action | None:
    step = store.step(conn, claim.step_id)
    if step.fence != claim.fence or job.state is JobState.COMPENSATING:
        return None
    if isinstance(error, (Cancelled, DeadlineExceeded)) and not job.terminal:
        ending.end(conn, job, JobState.CANCELLED if isinstance(error, Cancelled) else JobState.TIMED_OUT, error)
        return failure.Action.FAIL
    limit = tools.settings.loss_limit
    retries = failure.allowed(claim.plan.retries, tools.policy)
    decision = failure.decide(error, step, retries, loss_limit=limit, jitter=lambda bound: random.uniform(0, bound))  # noqa: S311
    return decision.action if failure.apply(conn, job, step, error, decision) else None
