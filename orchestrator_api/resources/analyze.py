"""POST /api/v1/analyze: what would become of a job. Nothing is stored, fetched or rendered."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from orchestrator_api import body, schemas
from orchestrator_api.auth.needs import needs
from orchestrator_api.parts import parts
from workflows.db.engine import reachable
from workflows.explain import explain
from workflows.submit import fleet_of

blueprint = Blueprint("analyze", __name__, url_prefix="/api/v1", description="Jobs looked at.")


@blueprint.route("/analyze", methods=["POST"])
@needs("submitter")
@blueprint.response(200, schemas.Analyzed)
def analyze() -> dict[str, Any]:
    """Show what would become of a job, without running it.

    Every element's frames, seconds and pixels in paint order, the predicted cost by parts, the workflow template with
    the reason for it, and its steps. Sources are not read: what is assumed of them is listed.
    """
    here, job = parts(), body.json_object()
    with reachable(), here.engine.connect() as conn:
        coefficients, threads = fleet_of(conn, here.settings)
    return explain(job, threads, coefficients=coefficients).as_dict()
