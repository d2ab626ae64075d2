"""Gates: where jobs wait in line, in the ledger, never in a worker's slot.

A step at a gate (`queue`: admission, `allocate`: resources) joins the line, then the best waiters are let through as
far as there is room. Whatever frees room opens the gate again. Order: priority weight plus waited minutes, then the
tenant with the fewest running jobs, then age.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from workflows.errors import LeaseLost, NoCapacity
from workflows.fleet import allocation
from workflows.fleet.allocation import allocate
from workflows.jobs import ending, events, leases, store
from workflows.jobs.leases import Claim
from workflows.jobs.states import JobState
from workflows.policy import Policy

WORKER_TTL_S = 20.0
HOPELESS_S = 60.0

_WAIT = text("""
UPDATE steps SET state = 'waiting', reason = :reason, lease_owner = NULL, lease_until = NULL
WHERE id = :step AND fence = :fence AND state = 'running'
""")

# The age of a wait counts from when the step became ready, so that losing a worker does not lose the place in line.
_LINE = text("""
SELECT * FROM (
SELECT s.id, s.fence, s.name, s.successors, j.orchestration_id, j.template,
  extract(epoch FROM clock_timestamp() - s.ready_at)::float AS waited_s,
  row_number() OVER (PARTITION BY j.template ORDER BY
    j.priority + floor(extract(epoch FROM clock_timestamp() - s.ready_at) / 60) DESC, t.running, j.created_at, s.id
  ) AS place,
  j.priority + floor(extract(epoch FROM clock_timestamp() - s.ready_at) / 60) AS rank, t.running, j.created_at
FROM steps s JOIN jobs j USING (orchestration_id)
LEFT JOIN LATERAL (
  SELECT count(*) AS running FROM jobs r
  WHERE r.tenant = j.tenant AND r.granted_at IS NOT NULL AND r.finished_at IS NULL
) t ON true
WHERE s.state = 'waiting' AND s.reason = :reason AND j.state IN ('queued', 'processing') AND NOT j.cancel_requested
) line WHERE place <= 100
ORDER BY rank DESC, running, created_at, id
""")

_PASS = text("""
UPDATE steps SET state = 'done', reason = NULL, progress = 1, output = CAST(:output AS jsonb),
  finished_at = clock_timestamp()
WHERE id = :step AND state = 'waiting'
""")

_GRANT = text("UPDATE jobs SET granted_at = coalesce(granted_at, clock_timestamp()) WHERE orchestration_id = :job")

# A template's total time counts work, not waiting: it starts when the job has its resources.
_START_CLOCK = text("""
UPDATE jobs SET total_deadline_at = clock_timestamp() + make_interval(secs => (w.plan->>'total_s')::float)
FROM workflows w WHERE jobs.orchestration_id = :job AND w.id = jobs.workflow_id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A line and the test whether its first may pass. `room` returns the step's output, or None for "not now"."""

    reason: str
    room: Callable[[Connection, Row[Any], Policy], Mapping[str, Any] | None]
    hopeless: Callable[[Connection, Row[Any]], str | None] = lambda _, __: None  # why it can never pass, as things are


def room_for_job(conn: Connection, waiter: Row[Any], policy: Policy) -> Mapping[str, Any] | None:
    """Admission: fewer jobs of the template in flight than min(maxConcurrentJobs, 2 x slots of its live workers)."""
    row = conn.execute(
        text("""
        SELECT
          (SELECT count(*) FROM jobs
           WHERE template = :template AND granted_at IS NOT NULL AND finished_at IS NULL) AS running,
          (SELECT coalesce(sum(slots), 0) FROM workers w WHERE s.queue = ANY(w.queues)
             AND w.heartbeat_at > clock_timestamp() - make_interval(secs => :ttl)) AS slots
        FROM steps s WHERE s.id = :step
        """),
        {"template": waiter.template, "step": waiter.id, "ttl": WORKER_TTL_S},
    ).one()
    limit = min(policy.max_concurrent_jobs, 2 * int(row.slots))
    if row.running >= limit:
        return None
    return {"running": int(row.running), "limit": limit}


def room_on_a_node(conn: Connection, waiter: Row[Any], policy: Policy) -> Mapping[str, Any] | None:
    """Allocation: some node fits. The template's total time starts here."""
    node = allocate(conn, waiter.orchestration_id, waiter.id, policy.strategy)
    if node is None:
        return None
    conn.execute(_START_CLOCK, {"job": waiter.orchestration_id})
    return {"node": node, "strategy": policy.strategy}


def too_large_for_every_node(conn: Connection, waiter: Row[Any]) -> str | None:
    """Why no live node could hold the job even if it were empty."""
    return allocation.too_large(conn, waiter.orchestration_id)


ADMISSION = Gate(reason="admission", room=room_for_job)
ALLOCATION = Gate(reason="allocation", room=room_on_a_node, hopeless=too_large_for_every_node)
GATES = (ADMISSION, ALLOCATION)


def wait_in_line(conn: Connection, claim: Claim, gate: Gate, policy: Policy) -> list[str]:
    """Put the claimed step in the gate's line and open the gate; the ids of the jobs that passed.

    Raises LeaseLost when the step is another attempt's by now.
    """
    _lock(conn, gate)
    job = store.get(conn, claim.orchestration_id, lock=True)
    if conn.execute(_WAIT, {"step": claim.step_id, "fence": claim.fence, "reason": gate.reason}).rowcount == 0:
        raise LeaseLost(f"{claim.step_id} belongs to another attempt")
    passed = _let_through(conn, gate, policy)
    if claim.orchestration_id not in passed:
        events.append(conn, job.orchestration_id, "step_waiting", step=claim.name, reason=gate.reason)
        if job.state is JobState.PROCESSING and gate is ADMISSION:
            store.transition(conn, job, JobState.QUEUED)
    return passed


def open_gate(conn: Connection, gate: Gate, policy: Policy) -> list[str]:
    """Let through whoever may pass now; the ids of their jobs, whose canvases the caller publishes after commit."""
    _lock(conn, gate)
    return _let_through(conn, gate, policy)


def _lock(conn: Connection, gate: Gate) -> None:
    conn.execute(text("SELECT pg_advisory_xact_lock(hashtext(:gate))"), {"gate": f"gate {gate.reason}"})


def _let_through(conn: Connection, gate: Gate, policy: Policy) -> list[str]:
    """In order of the line; within a template the first that cannot pass yet stops those behind it.

    One that no node could ever hold stops nobody, and fails after a while (a larger node may be on its way).
    """
    passed: list[str] = []
    stuck: set[str] = set()
    for waiter in conn.execute(_LINE, {"reason": gate.reason}).all():
        if waiter.template in stuck:
            continue
        if _pass(conn, gate, waiter, policy):
            passed.append(waiter.orchestration_id)
        elif (why := gate.hopeless(conn, waiter)) is None:
            stuck.add(waiter.template)
        elif waiter.waited_s > HOPELESS_S:
            job = store.get(conn, waiter.orchestration_id, lock=True)
            ending.end(
                conn, job, JobState.FAILED, NoCapacity(why, remedy="Make the job smaller, or add a larger node.")
            )
    return passed


def _pass(conn: Connection, gate: Gate, waiter: Row[Any], policy: Policy) -> bool:
    job = store.get(conn, waiter.orchestration_id, lock=True)
    if job.state not in {JobState.QUEUED, JobState.PROCESSING}:
        return True  # ended meanwhile: it does not hold the line up
    output = gate.room(conn, waiter, policy)
    if output is None:
        return False
    conn.execute(_PASS, {"step": waiter.id, "output": json.dumps(output)})
    conn.execute(_GRANT, {"job": job.orchestration_id})
    leases.open_successors(conn, waiter.successors)
    events.append(conn, job.orchestration_id, "step_done", step=waiter.name, fence=waiter.fence, **output)
    if job.state is JobState.QUEUED:
        store.transition(conn, job, JobState.PROCESSING)
    return True
