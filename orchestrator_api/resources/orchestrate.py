"""POST /api/v1/orchestrate: take a job, and answer with its result when that is soon."""

from __future__ import annotations

from datetime import UTC, datetime

import flask
import structlog
from flask import Response
from flask_smorest import Blueprint

from orchestrator_api import answers, body, errors, schemas
from orchestrator_api.auth.needs import caller, needs
from orchestrator_api.parts import Parts, parts
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState
from workflows.submit import Submitted, submit

blueprint = Blueprint("orchestrate", __name__, url_prefix="/api/v1", description="Jobs in.")


@blueprint.route("/orchestrate", methods=["POST"])
@needs("submitter")
@blueprint.response(200, schemas.Immediate, description="The job has ended: here is its result.")
@blueprint.alt_response(202, schema=schemas.Queued, description="The job goes on: watch its status.", success=True)
def orchestrate() -> Response:
    """Orchestrate a video processing job.

    Quick jobs are answered with their result; others, and quick ones that take too long, with 202 and a Location.
    The same `id` or `Idempotency-Key` with the same body gives the same job; with another body it is a 409.
    """
    here = parts()
    found = submit(
        here.engine, here.celery, here.settings, here.policy,
        tenant=caller().tenant, body=body.json_object(), idempotency_key=body.idempotency_key(),
    )  # fmt: skip
    structlog.contextvars.bind_contextvars(job_id=found.job.job_id, orchestration_id=found.job.orchestration_id)
    return answer(here, waited_for(here, found), datetime.now(UTC))


def waited_for(here: Parts, found: Submitted) -> Job:
    """The job at once when it has ended or nobody should wait for it; else when it is worth an answer."""
    if found.job.terminal or not (found.wait and found.published):
        return found.job
    return here.waiting.for_answer(found.job)


def answer(here: Parts, job: Job, now: datetime) -> Response:
    """200 with the result, 202, or the problem of a job that failed."""
    if job.state is JobState.SUCCEEDED:
        sign = answers.signer(here.store, here.settings.result_expires_s, now)
        return flask.jsonify(answers.immediate(job, sign))
    if job.terminal:
        return errors.problem_of_job(job)
    response = flask.jsonify(answers.queued(job, now))
    response.status_code = 202
    response.headers["Location"] = flask.url_for("jobs.job_status", name=job.job_id)
    response.headers["Retry-After"] = str(answers.retry_after_s(job, now))
    return response
