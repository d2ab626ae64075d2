"""Accepting a job: everything it will ever need to run, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from workflows.db.tables import allocations, jobs, steps, workflows
from workflows.errors import Conflict
from workflows.jobs import events, store
from workflows.jobs.ids import new_id, step_id
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState, StepState
from workflows.planning.model import Graph, Plan
from workflows.planning.plan import plan_to_dict

IDEMPOTENCY_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for a job, checked and planned."""

    tenant: str
    job_id: str
    body: Mapping[str, Any]
    body_hash: str
    idempotency_key: str | None
    plan: Plan
    graph: Graph
    priority: int
    inline: bool
    webhook_url: str | None
    metadata: Mapping[str, Any]
    expires_in_s: int | None
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job of a request. `replayed` tells that it was there before."""

    job: Job
    replayed: bool


def accept(conn: Connection, request: Request) -> Accepted:
    """Write idempotency record, job, plan, steps and first event, or find the job that the same request made before.

    Raises Conflict when the id or the Idempotency-Key was used with another body.
    """
    known = _known_key(conn, request)
    if known is not None:
        return known
    orchestration_id = _insert_job(conn, request)
    if orchestration_id is None:
        job = store.find(conn, request.tenant, request.job_id)
        return _replayed(job, request, f"the job id {request.job_id!r}", path="id")
    job = store.get(conn, orchestration_id)
    add_workflow(conn, job, request.plan, request.graph, why="accepted")
    _insert_allocation(conn, job, request.plan)
    if request.idempotency_key:
        raced = _insert_key(conn, request, orchestration_id)
        if raced is not None:
            raise Conflict("the Idempotency-Key is being used by another request", remedy="Send the request again.")
    events.append(
        conn, orchestration_id, "job_accepted", template=request.plan.template, reason=request.plan.choice.reason
    )
    return Accepted(job=store.get(conn, orchestration_id), replayed=False)


def add_workflow(
    conn: Connection, job: Job, plan: Plan, graph: Graph, *, why: str, done: Mapping[str, Any] | None = None
) -> None:
    """Write a workflow row and its steps for `job.workflow_id`; those in `done` start as done with that output."""
    conn.execute(
        insert(workflows).values(
            id=job.workflow_id,
            orchestration_id=job.orchestration_id,
            template=plan.template,
            plan=plan_to_dict(plan),
            why=why,
        )
    )
    before = open_before(graph, frozenset(done or {}))
    conn.execute(insert(steps), [_step_row(job, plan, graph, at, done or {}, before) for at in range(len(graph.steps))])
    # The canvas is about to be published: the reconciler waits its interval before it repeats that.
    conn.execute(
        text("""
        UPDATE steps SET dispatched_at = clock_timestamp(), ready_at = clock_timestamp()
        WHERE workflow_id = :id AND state = 'ready'
        """),
        {"id": job.workflow_id},
    )


def open_before(graph: Graph, done: frozenset[str]) -> dict[str, frozenset[str]]:
    """The open steps each step waits for. One that is done passes on what it waited for, so that no gate is skipped."""
    before: dict[str, frozenset[str]] = {}
    for node in graph.steps:  # each follows what it waits for
        passed_on = [before[name] for name in node.after if name in done]
        before[node.name] = frozenset(node.after).difference(done).union(*passed_on)
    return before


def _step_row(  # noqa: PLR0917 - one caller, above
    job: Job, plan: Plan, graph: Graph, position: int, done: Mapping[str, Any], before: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    node = graph.steps[position]
    still_open = len(before[node.name])
    state = _first_state(node.name in done, still_open)
    return {
        "id": step_id(job.workflow_id, node.name),
        "orchestration_id": job.orchestration_id,
        "workflow_id": job.workflow_id,
        "name": node.name,
        "position": position,
        "queue": node.queue,
        "version": plan.version,
        "state": state.value,
        "open_predecessors": still_open,
        "successors": [step_id(job.workflow_id, name) for name, waits_for in before.items() if node.name in waits_for],
        "time_limit_s": node.time_limit_s,
        "stall_s": node.stall_s,
        "output": done.get(node.name),
        "progress": 1.0 if state is StepState.DONE else 0.0,
    }


def _first_state(done: bool, still_open: int) -> StepState:
    if done:
        return StepState.DONE
    return StepState.BLOCKED if still_open else StepState.READY


def _insert_job(conn: Connection, request: Request) -> str | None:
    orchestration_id = new_id("orch")
    row = (
        insert(jobs)
        .values(
            orchestration_id=orchestration_id,
            tenant=request.tenant,
            job_id=request.job_id,
            body_hash=request.body_hash,
            body=dict(request.body),
            state=JobState.ACCEPTED.value,
            template=request.plan.template,
            workflow_id=new_id("wf"),
            allocation_id=new_id("res"),
            inline=request.inline,
            priority=request.priority,
            webhook_url=request.webhook_url,
            metadata=dict(request.metadata),
            expires_in_s=request.expires_in_s,
            deadline_at=request.deadline_at,
            estimated_at=text("clock_timestamp() + make_interval(secs => :expected)"),
        )
        .on_conflict_do_nothing(index_elements=["tenant", "job_id"])
        .returning(jobs.c.orchestration_id)
    )
    return conn.execute(row, {"expected": request.plan.estimate.p50_s}).scalar_one_or_none()


def _insert_allocation(conn: Connection, job: Job, plan: Plan) -> None:
    conn.execute(
        insert(allocations).values(
            id=job.allocation_id,
            orchestration_id=job.orchestration_id,
            state="requested",
            threads=plan.need.threads,
            memory_bytes=plan.need.memory_bytes,
            disk_bytes=plan.need.disk_bytes,
            quick=plan.template == "quick_sync",
        )
    )


def _known_key(conn: Connection, request: Request) -> Accepted | None:
    if not request.idempotency_key:
        return None
    row = conn.execute(
        text("SELECT orchestration_id FROM idempotency WHERE tenant = :tenant AND key = :key AND expires_at > now()"),
        {"tenant": request.tenant, "key": request.idempotency_key},
    ).one_or_none()
    if row is None:
        return None
    return _replayed(store.get(conn, row.orchestration_id), request, "the Idempotency-Key", path=None)


def _replayed(job: Job, request: Request, what: str, *, path: str | None) -> Accepted:
    if job.body_hash != request.body_hash:
        raise Conflict(f"{what} was used before with another body", path=path)
    return Accepted(job=job, replayed=True)


def _insert_key(conn: Connection, request: Request, orchestration_id: str) -> str | None:
    """Record the key; the other job's id when another request recorded it first."""
    holder = conn.execute(
        text("""
        INSERT INTO idempotency (tenant, key, body_hash, orchestration_id, expires_at)
        VALUES (:tenant, :key, :hash, :job, now() + make_interval(hours => :hours))
        ON CONFLICT (tenant, key) DO UPDATE SET
          body_hash = CASE WHEN idempotency.expires_at <= now() THEN excluded.body_hash ELSE idempotency.body_hash END,
          orchestration_id = CASE WHEN idempotency.expires_at <= now()
            THEN excluded.orchestration_id ELSE idempotency.orchestration_id END,
          expires_at = CASE WHEN idempotency.expires_at <= now()
            THEN excluded.expires_at ELSE idempotency.expires_at END
        RETURNING orchestration_id
        """),
        {
            "tenant": request.tenant,
            "key": request.idempotency_key,
            "hash": request.body_hash,
            "job": orchestration_id,
            "hours": IDEMPOTENCY_HOURS,
        },
    ).scalar_one()
    return None if holder == orchestration_id else str(holder)
