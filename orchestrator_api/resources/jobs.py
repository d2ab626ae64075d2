"""GET /api/v1/jobs…: what has become of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_smorest import Blueprint

from orchestrator_api import answers, reading, schemas
from orchestrator_api.auth.needs import caller, needs
from orchestrator_api.parts import parts
from workflows.jobs import events, store

blueprint = Blueprint("jobs", __name__, url_prefix="/api/v1", description="Jobs and what has become of them.")


@blueprint.route("/jobs")
@needs("viewer")
@blueprint.arguments(schemas.ListQuery, location="query")
@blueprint.response(200, schemas.JobList)
def job_list(query: dict[str, Any]) -> dict[str, Any]:
    """List the newest jobs."""
    now = datetime.now(UTC)
    with parts().engine.connect() as conn:
        page, following = reading.newest_jobs(
            conn, caller().tenant, status=query.get("status"), cursor=query.get("cursor"), limit=query["limit"]
        )
    body: dict[str, Any] = {"jobs": [answers.summary(job, now) for job in page]}
    return body | ({"next_cursor": following} if following else {})


@blueprint.route("/jobs/<name>")
@needs("viewer")
@blueprint.response(200, schemas.Job)
def job(name: str) -> dict[str, Any]:
    """Get a job in full: its steps, the reason for its template, its result."""
    here, now = parts(), datetime.now(UTC)
    with here.engine.connect() as conn:
        found = reading.job_named(conn, caller().tenant, name)
        steps, plan = store.steps_of(conn, found.workflow_id), reading.plan_of(conn, found)
    return answers.in_full(found, steps, plan, answers.signer(here.store, here.settings.result_expires_s, now), now)


@blueprint.route("/jobs/<name>/status")
@needs("viewer")
@blueprint.response(200, schemas.Status)
def job_status(name: str) -> dict[str, Any]:
    """Get job processing status."""
    here, now = parts(), datetime.now(UTC)
    with here.engine.connect() as conn:
        found = reading.job_named(conn, caller().tenant, name)
        steps = store.steps_of(conn, found.workflow_id)
    return answers.status(found, steps, answers.signer(here.store, here.settings.result_expires_s, now), now)


@blueprint.route("/jobs/<name>/events")
@needs("viewer")
@blueprint.arguments(schemas.EventsQuery, location="query")
@blueprint.response(200, schemas.Events)
def job_events(query: dict[str, Any], name: str) -> dict[str, Any]:
    """List what has happened to a job, at most 500 events after number `after`."""
    with parts().engine.connect() as conn:
        found = reading.job_named(conn, caller().tenant, name)
        history = events.read(conn, found.orchestration_id, after=query["after"])
    return {
        "job_id": found.job_id,
        "orchestration_id": found.orchestration_id,
        "events": [{**row._mapping, "at": row.at.isoformat()} for row in history],
    }
