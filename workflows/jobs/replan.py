"""Re-planning: the probe showed another class of job than the submit assumed. Same job, new workflow row."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, text

from workflows.errors import LeaseLost
from workflows.fleet import allocation
from workflows.jobs import accept, events, store
from workflows.jobs.ids import new_id
from workflows.jobs.leases import Claim
from workflows.jobs.rows import Job
from workflows.jobs.states import StepState
from workflows.planning.model import Graph, Plan

# Finished work that another template can use as it is. A reservation is not: the new plan needs another one.
KEPT = frozenset({"validate", "download"})


def replan(conn: Connection, claim: Claim, plan: Plan, graph: Graph) -> Job:
    """Replace the job's workflow under the claim's token; the job, with its new workflow.

    The old rows are superseded, finished downloads kept, the reservation given back, the total time started anew,
    and a waiting client released (`inline` false, with a wake-up). Raises LeaseLost.
    """
    job = store.get(conn, claim.orchestration_id, lock=True)
    held = conn.execute(
        text(
            "SELECT 1 FROM steps WHERE id = :step AND fence = :fence AND state = 'running' AND workflow_id = :workflow"
        ),
        {"step": claim.step_id, "fence": claim.fence, "workflow": job.workflow_id},
    ).one_or_none()
    if held is None or job.terminal:
        raise LeaseLost(f"{claim.step_id} belongs to another attempt")
    done = {
        step.name: step.output or {}
        for step in store.steps_of(conn, job.workflow_id)
        if step.state is StepState.DONE and step.name in KEPT
    }
    _supersede(conn, job)
    job = replace(job, workflow_id=new_id("wf"), template=plan.template, inline=False)
    _point_at(conn, job, plan)
    accept.add_workflow(conn, job, plan, graph, why=plan.choice.reason, done=done)
    events.append(
        conn,
        job.orchestration_id,
        "job_replanned",
        template=plan.template,
        reason=plan.choice.reason,
        kept=sorted(done),
    )
    events.notify(conn, job.orchestration_id)
    return job


def _supersede(conn: Connection, job: Job) -> None:
    conn.execute(text("UPDATE workflows SET superseded = true WHERE id = :id"), {"id": job.workflow_id})
    conn.execute(
        text("""
        UPDATE steps SET state = 'superseded', lease_owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
        WHERE workflow_id = :id AND state IN ('blocked', 'ready', 'waiting', 'running')
        """),
        {"id": job.workflow_id},
    )


def _point_at(conn: Connection, job: Job, plan: Plan) -> None:
    allocation.release(conn, job.orchestration_id)
    conn.execute(
        text("""
        UPDATE allocations SET state = 'requested', node = NULL, threads = :threads, memory_bytes = :memory,
          disk_bytes = :disk, quick = false, released_at = NULL, granted_at = NULL WHERE id = :id
        """),
        {
            "threads": plan.need.threads,
            "memory": plan.need.memory_bytes,
            "disk": plan.need.disk_bytes,
            "id": job.allocation_id,
        },
    )
    conn.execute(
        text("""
        UPDATE jobs SET workflow_id = :workflow, template = :template, inline = false, granted_at = NULL,
          total_deadline_at = NULL, estimated_at = clock_timestamp() + make_interval(secs => :expected)
        WHERE orchestration_id = :job
        """),
        {
            "workflow": job.workflow_id,
            "template": plan.template,
            "expected": plan.estimate.p50_s,
            "job": job.orchestration_id,
        },
    )
