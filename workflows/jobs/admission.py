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

from workflows.errors import LeaseLost
from workflows.fleet.allocation import allocate
from workflows.jobs import events, leases, store
from workflows.jobs.leases import Claim
from workflows.jobs.states import JobState
from workflows.planning.plan import plan_from_dict
from workflows.policy import Policy

WORKER_TTL_S = 20.0

_WAIT = text("""
UPDATE steps SET state = 'waiting', reason = :reason, lease_owner = NULL, lease_until = NULL
WHERE id = :step AND fence = :fence AND state = 'running'
""")

# The age of a wait counts from when the step became ready, so that losing a worker does not lose the place in line.
_LINE = text("""
SELECT s.id, s.fence, s.name, s.successors, s.workflow_id, j.orchestration_id, j.template
FROM steps s JOIN jobs j USING (orchestration_id)
LEFT JOIN LATERAL (
  SELECT count(*) AS running FROM jobs r
  WHERE r.tenant = j.tenant AND r.granted_at IS NOT NULL AND r.finished_at IS NULL
) t ON true
WHERE s.state = 'waiting' AND s.reason = :reason AND j.state IN ('queued', 'processing') AND NOT j.cancel_requested
ORDER BY (j.template = 'quick_sync') DESC,
  j.priority + floor(extract(epoch FROM clock_timestamp() - s.ready_at) / 60) DESC, t.running, j.created_at, s.id
LIMIT 200
""")

_PASS = text("""
UPDATE steps SET state = 'done', reason = NULL, progress = 1, output = CAST(:output AS jsonb),
  finished_at = clock_timestamp()
WHERE id = :step AND state = 'waiting'
""")

# A template's total time counts work, not waiting: it stops in the line and starts anew behind it.
_STOP_CLOCK = text("UPDATE jobs SET total_deadline_at = NULL WHERE orchestration_id = :job")
_START_ANEW = text("""
UPDATE jobs SET total_deadline_at = clock_timestamp() + make_interval(secs => (w.plan->>'total_s')::float)
FROM workflows w
WHERE jobs.orchestration_id = :job AND w.id = jobs.workflow_id
  AND jobs.granted_at IS NOT NULL AND jobs.total_deadline_at IS NULL
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A line and the test whether its first may pass. `room` returns the step's output, or None for "not now"."""

    reason: str
    room: Callable[[Connection, Row[Any], Policy], Mapping[str, Any] | None]


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
    limit = min(policy.max_concurrent_jobs, max(1, 2 * int(row.slots)))
    if row.running >= limit:
        return None
    job = store.get(conn, waiter.orchestration_id)
    plan = conn.execute(text("SELECT plan FROM workflows WHERE id = :id"), {"id": waiter.workflow_id}).scalar_one()
    leases.start_clock(conn, job, plan_from_dict(plan))
    return {"running": int(row.running), "limit": limit}


def room_on_a_node(conn: Connection, waiter: Row[Any], policy: Policy) -> Mapping[str, Any] | None:
    """Allocation: some node fits."""
    node = allocate(conn, waiter.orchestration_id, waiter.id, policy.strategy)
    return None if node is None else {"node": node, "strategy": policy.strategy}


ADMISSION = Gate(reason="admission", room=room_for_job)
ALLOCATION = Gate(reason="allocation", room=room_on_a_node)
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
        conn.execute(_STOP_CLOCK, {"job": job.orchestration_id})
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
    """In order of the line; within a template the first that cannot pass stops those behind it."""
    passed: list[str] = []
    stuck: set[str] = set()
    for waiter in conn.execute(_LINE, {"reason": gate.reason}).all():
        if waiter.template in stuck:
            continue
        if _pass(conn, gate, waiter, policy):
            passed.append(waiter.orchestration_id)
        else:
            stuck.add(waiter.template)
    return passed


def _pass(conn: Connection, gate: Gate, waiter: Row[Any], policy: Policy) -> bool:
    job = store.get(conn, waiter.orchestration_id, lock=True)
    if job.state not in {JobState.QUEUED, JobState.PROCESSING}:
        return True  # ended meanwhile: it does not hold the line up
    output = gate.room(conn, waiter, policy)
    if output is None:
        return False
    conn.execute(_PASS, {"step": waiter.id, "output": json.dumps(output)})
    conn.execute(_START_ANEW, {"job": job.orchestration_id})
    leases.open_successors(conn, waiter.successors)
    events.append(conn, job.orchestration_id, "step_done", step=waiter.name, fence=waiter.fence, **output)
    if job.state is JobState.QUEUED:
        store.transition(conn, job, JobState.PROCESSING)
    return True
