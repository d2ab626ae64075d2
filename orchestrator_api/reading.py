"""What only the HTTP side asks of the ledger: lists and overviews. Reads only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select, text, tuple_

from workflows.db.tables import jobs, workers
from workflows.db.tables import nodes as node_rows
from workflows.db.tables import steps as step_rows
from workflows.db.tables import workflows as workflow_rows
from workflows.errors import NotFound
from workflows.fleet.allocation import snapshot
from workflows.health import LIVE_S
from workflows.jobs import store
from workflows.jobs.progress import progress_of
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import STATUS_WORD

JOB_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
ACTIVE_LIMIT: Final = 100
AMOUNTS: Final = ("threads", "memory_bytes", "disk_bytes")


def job_named(conn: Connection, tenant: str, name: str) -> Job:
    """The tenant's job by the client's id of it, or by its orchestration id. Raises NotFound, for a foreign one too."""
    if not JOB_ID.fullmatch(name):
        raise NotFound("no such job")
    try:
        return store.find(conn, tenant, name)
    except NotFound:
        if not name.startswith("orch_"):
            raise
    job = store.get(conn, name)
    if job.tenant != tenant:
        raise NotFound(f"no job {name}")
    return job


def plan_of(conn: Connection, job: Job) -> dict[str, Any]:
    """The stored plan of the job's current workflow."""
    found = select(workflow_rows.c.plan).where(workflow_rows.c.id == job.workflow_id)
    plan: dict[str, Any] = conn.execute(found).scalar_one()
    return plan


def newest_jobs(
    conn: Connection, tenant: str, *, status: str | None, cursor: str | None, limit: int
) -> tuple[list[Job], str | None]:
    """A page of the tenant's jobs, newest first, and the cursor of the next; `status` is a word of STATUS_WORD."""
    place = tuple_(jobs.c.created_at, jobs.c.orchestration_id)
    query = select(jobs).where(jobs.c.tenant == tenant).order_by(place.desc()).limit(limit + 1)
    if status:
        query = query.where(jobs.c.state.in_([state.value for state, word in STATUS_WORD.items() if word == status]))
    if cursor:
        query = query.where(place < tuple_(*_unwrapped(cursor)))
    found = [Job.from_row(row) for row in conn.execute(query)]
    page = found[:limit]
    return page, _wrapped(page[-1]) if len(found) > limit else None


def fleet(conn: Connection) -> list[dict[str, Any]]:
    """Every registered node with its workers and whether they are alive."""
    age = func.extract("epoch", func.clock_timestamp() - node_rows.c.heartbeat_at)
    nodes = conn.execute(select(node_rows, age.label("age_s")).order_by(node_rows.c.id)).all()
    beat_age = func.extract("epoch", func.clock_timestamp() - workers.c.heartbeat_at)
    crews = conn.execute(select(workers, beat_age.label("age_s")).order_by(workers.c.id)).all()
    return [_node(node, [crew for crew in crews if crew.node == node.id]) for node in nodes]


def capacity(conn: Connection) -> dict[str, Any]:
    """What the live nodes have, what is reserved of it, and how many steps wait for what."""
    live = snapshot(conn)
    nodes = [
        {
            "id": node.id,
            "running": node.running,
            **{name: _share(getattr(node, name), getattr(node, f"used_{name}")) for name in AMOUNTS},
        }
        for node in live
    ]
    total = {
        name: _share(sum(getattr(node, name) for node in live), sum(getattr(node, f"used_{name}") for node in live))
        for name in AMOUNTS
    }
    waiting = conn.execute(
        text("SELECT coalesce(reason, 'other'), count(*) FROM steps WHERE state = 'waiting' GROUP BY 1 ORDER BY 1")
    )
    return {"total": total, "nodes": nodes, "waiting": {row[0]: row[1] for row in waiting}}


def active_workflows(conn: Connection, tenant: str) -> list[dict[str, Any]]:
    """The current workflows of the tenant's jobs that have not ended, oldest first, with their steps."""
    open_jobs = (
        select(jobs)
        .where(jobs.c.tenant == tenant, jobs.c.finished_at.is_(None))
        .order_by(jobs.c.created_at)
        .limit(ACTIVE_LIMIT)
    )
    found = [Job.from_row(row) for row in conn.execute(open_jobs)]
    wanted = select(step_rows).where(step_rows.c.workflow_id.in_([job.workflow_id for job in found]))
    rows = [Step.from_row(row) for row in conn.execute(wanted.order_by(step_rows.c.position))]
    return [_workflow(job, [step for step in rows if step.workflow_id == job.workflow_id]) for job in found]


def _workflow(job: Job, steps: Sequence[Step]) -> dict[str, Any]:
    progress = progress_of(job, steps)
    return {
        "id": job.workflow_id,
        "template": job.template,
        "status": STATUS_WORD[job.state],
        "job_id": job.job_id,
        "orchestration_id": job.orchestration_id,
        "progress_fraction": round(progress.fraction, 4),
        "current_step": progress.current_step,
        "steps": [{"name": s.name, "state": s.state.value, "reason": s.reason, "node": s.node} for s in steps],
    }


def _node(node: Any, crews: Sequence[Any]) -> dict[str, Any]:
    alive = float(node.age_s) < LIVE_S and node.state != "down"
    return {
        "id": node.id,
        "type": "render-node",
        "state": node.state,
        "health": "healthy" if alive and any(float(crew.age_s) < LIVE_S for crew in crews) else "unhealthy",
        "last_heartbeat_s": round(float(node.age_s), 1),
        "version": node.version,
        "capabilities": node.capabilities,
        "performance": node.performance,
        "capacity": {name: getattr(node, name) for name in AMOUNTS},
        "load": node.load,
        "workers": [
            {
                "id": crew.id,
                "queues": crew.queues,
                "slots": crew.slots,
                "health": "healthy" if float(crew.age_s) < LIVE_S else "unhealthy",
                "last_heartbeat_s": round(float(crew.age_s), 1),
            }
            for crew in crews
        ],
    }


def _share(whole: int, reserved: int) -> dict[str, Any]:
    return {"capacity": whole, "reserved": reserved, "utilization": round(reserved / whole, 4) if whole else 0.0}


def _wrapped(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()}|{job.orchestration_id}".encode()).decode()


def _unwrapped(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, name = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(at), name.replace("\0", "")
    except (ValueError, binascii.Error) as err:
        raise NotFound("no page starts at this cursor", remedy="Use the `next_cursor` of a page.") from err
