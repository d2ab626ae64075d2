"""POST /api/v1/preview: one frame of a job as a PNG, from the graph that would make its video.

The frame is made by an ordinary job of the quick class: a slice of the timeline, one frame long. So it is admitted,
watched and retried like any other, it can be found under its id, and its result is kept for some minutes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Response
from flask_smorest import Blueprint

from orchestrator_api import body, schemas
from orchestrator_api.auth.needs import caller, needs
from orchestrator_api.parts import Parts, parts
from orchestrator_api.resources.orchestrate import answer, waited_for
from workflows.errors import InvalidSpec, NotFound
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState
from workflows.spec.preview import as_asked, preview_job
from workflows.submit import Submitted, submit

blueprint = Blueprint("preview", __name__, url_prefix="/api/v1", description="Jobs looked at.")

PICTURE = {"type": "string", "format": "binary"}


@blueprint.route("/preview", methods=["POST"])
@needs("submitter")
@blueprint.response(200, PICTURE, content_type="image/png", description="The frame. X-Orchestration-ID names its job.")
@blueprint.alt_response(202, schema=schemas.Queued, description="It takes longer: watch its job.", success=True)
def preview() -> Response:
    """Show one moment of a job as a PNG.

    The body has the `job`, the moment as `time` in seconds or as a `frame`, and `max_width` in pixels (960). What the
    job says of its own result (output_format, quality, webhook_url and the like) does not matter here.
    """
    here = parts()
    found = submitted(here, body.json_object())
    structlog.contextvars.bind_contextvars(job_id=found.job.job_id, orchestration_id=found.job.orchestration_id)
    job = waited_for(here, found)
    response = picture(here, job) if job.state is JobState.SUCCEEDED else answer(here, job, datetime.now(UTC))
    response.headers["X-Orchestration-ID"] = job.orchestration_id
    return response


def submitted(here: Parts, asked: Mapping[str, Any]) -> Submitted:
    """The job of the preview. Raises InvalidSpec with paths in the preview's own body."""
    job = preview_job(asked)
    try:
        return submit(
            here.engine, here.celery, here.settings, here.policy,
            tenant=caller().tenant, body=job, idempotency_key=None,
        )  # fmt: skip
    except InvalidSpec as err:
        raise InvalidSpec(list(as_asked(err.problems, asked))) from err


def picture(here: Parts, job: Job) -> Response:
    """The result's bytes. Raises NotFound when it is not kept any more, StorageFailed when it cannot be read."""
    with here.store.open((job.result or {})["key"]) as stream:
        if stream is None:
            raise NotFound("the preview is not kept any more", remedy="Ask for it again.")
        return Response(b"".join(stream.blocks()), content_type="image/png")
