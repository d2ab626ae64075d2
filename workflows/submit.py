"""Submitting a job: check, plan, accept, commit, publish. What the API and the tests call.

The client gets an answer only after COMMIT. A publish that fails is no error: the ready step is its own outbox and
the reconciler sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from workflows import canvas, failpoints
from workflows.analysis.analyse import analyse
from workflows.analysis.predict import Coefficients
from workflows.db.engine import reachable
from workflows.fleet.registry import fleet_performance
from workflows.jobs import store
from workflows.jobs.accept import Request, accept
from workflows.jobs.ids import new_id
from workflows.jobs.rows import Job
from workflows.planning.model import Plan
from workflows.policy import Policy
from workflows.settings import Settings
from workflows.spec.model import JobSpec
from workflows.spec.outputs import made
from workflows.spec.schema import canonical_hash, load
from workflows.spec.timeline import resolve
from workflows.templates import TEMPLATES
from workflows.templates.choose import choose, make_plan

log = structlog.get_logger(__name__)
COLD_THREADS = 2  # until a node has registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The job. `wait`: its client may be answered inline. `published`: the broker has taken it."""

    job: Job
    replayed: bool
    published: bool
    wait: bool


def submit(
    engine: Engine,
    app: Celery,
    settings: Settings,
    policy: Policy,
    *,
    tenant: str,
    body: Mapping[str, Any],
    idempotency_key: str | None,
) -> Submitted:
    """Accept a job and publish its canvas.

    Raises InvalidSpec, Conflict (the id or key was used with another body) and Unavailable (no database).
    """
    spec = load(body)
    with reachable(), engine.begin() as conn:
        request = _request(conn, settings, policy, tenant, body, spec, idempotency_key)
        accepted = accept(conn, request)
    failpoints.hit("after_commit_before_publish")
    published = accepted.replayed or publish(app, engine, accepted.job.orchestration_id)
    return Submitted(job=accepted.job, replayed=accepted.replayed, published=published, wait=accepted.job.inline)


def _request(  # noqa: PLR0917 - one caller, above
    conn: Connection,
    settings: Settings,
    policy: Policy,
    tenant: str,
    body: Mapping[str, Any],
    spec: JobSpec,
    key: str | None,
) -> Request:
    coefficients, threads = fleet_of(conn, settings)
    timeline = made(spec, resolve(spec, {}))
    analysis = analyse(timeline, spec.quality, coefficients, threads)
    plan = make_plan(spec, timeline, analysis, choose(spec, analysis), threads)
    return Request(
        tenant=tenant,
        job_id=spec.id or new_id("job"),
        body=body,
        body_hash=canonical_hash(body),
        idempotency_key=key,
        plan=plan,
        graph=TEMPLATES[plan.template].graph(plan),
        priority=policy.priority_weights[spec.priority],
        inline=_inline(conn, spec, plan, settings),
        webhook_url=spec.webhook_url,
        metadata=spec.metadata,
        expires_in_s=spec.expires_in_s,
        deadline_at=spec.deadline,
    )


def fleet_of(conn: Connection, settings: Settings) -> tuple[Coefficients, int]:
    """The cost coefficients and the threads of one render: the fleet's calibration, or the cold-start values."""
    found = fleet_performance(conn)
    if found is None:
        return Coefficients(), settings.render_threads or COLD_THREADS
    performance, threads = found
    return Coefficients().calibrated(performance), settings.render_threads or threads


def _inline(conn: Connection, spec: JobSpec, plan: Plan, settings: Settings) -> bool:
    """Whether to keep the client waiting: a quick job that should be done in time, counting those before it."""
    if plan.template != "quick_sync" or spec.mode == "async":
        return False
    ahead = conn.execute(
        text("""
        SELECT coalesce(sum((w.plan->'estimate'->>'p50_s')::float), 0) FROM jobs j
        JOIN workflows w ON w.id = j.workflow_id
        WHERE j.finished_at IS NULL AND j.template = 'quick_sync'
        """)
    ).scalar_one()
    return spec.mode == "sync" or float(ahead) + plan.estimate.p90_s <= settings.inline_wait_s


def publish(app: Celery, engine: Engine, orchestration_id: str) -> bool:
    """Send the canvas of what is left of a job; whether the broker took it. Never raises: the ledger has the job."""
    try:
        with engine.connect() as conn:
            job = store.get(conn, orchestration_id)
            steps = store.steps_of(conn, job.workflow_id)
        return send(canvas.build(app, steps), orchestration_id)
    except SQLAlchemyError as err:
        log.warning("publish_failed", orchestration_id=orchestration_id, error=str(err))
        return False


def send(left: Any, orchestration_id: str) -> bool:
    """Publish a canvas. False when the broker does not answer; the reconciler will repeat it."""
    if left is None:
        return True
    try:
        left.apply_async()
    except (KombuError, RedisError, OSError) as err:
        log.warning("publish_failed", orchestration_id=orchestration_id, error=str(err))
        return False
    return True
