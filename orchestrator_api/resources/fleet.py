"""GET /api/v1/services, /resources and /workflows: the fleet, its capacity and what runs on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_smorest import Blueprint

from orchestrator_api import answers, reading, schemas
from orchestrator_api.auth.needs import caller, needs
from orchestrator_api.parts import parts

blueprint = Blueprint("fleet", __name__, url_prefix="/api/v1", description="The fleet and what runs on it.")


@blueprint.route("/services")
@needs("viewer")
@blueprint.response(200, schemas.Services)
def services() -> dict[str, Any]:
    """List registered services: the nodes and their workers, with their health."""
    with parts().engine.connect() as conn:
        return {"timestamp": _now(), "services": reading.fleet(conn)}


@blueprint.route("/resources")
@needs("viewer")
@blueprint.response(200, schemas.Resources)
def resources() -> dict[str, Any]:
    """Get resource utilization: capacity and reservations of the live nodes."""
    with parts().engine.connect() as conn:
        return {"timestamp": _now(), **reading.capacity(conn)}


@blueprint.route("/workflows")
@needs("viewer")
@blueprint.response(200, schemas.Workflows)
def workflows() -> dict[str, Any]:
    """List active workflows with their steps."""
    with parts().engine.connect() as conn:
        return {"timestamp": _now(), "workflows": reading.active_workflows(conn, caller().tenant)}


def _now() -> str | None:
    return answers.moment(datetime.now(UTC))
