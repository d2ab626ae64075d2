"""GET /health, /ready and /api/v1/health: whether the parts answer. The first two are open and say nothing secret."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from flask_smorest import Blueprint
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrator_api import answers, reading, schemas
from orchestrator_api.auth.needs import needs
from orchestrator_api.parts import Parts, parts
from workflows import health as checks
from workflows.health import Check

blueprint = Blueprint("health", __name__, description="Whether the parts answer.")


@blueprint.route("/health")
@needs("open")
@blueprint.response(200, schemas.Health, description="Jobs are accepted; `degraded` names what is wrong.")
@blueprint.alt_response(503, schema=schemas.Health, description="The database does not answer: nothing is accepted.")
def health() -> tuple[dict[str, Any], int]:
    """Health check: each part with its latency."""
    return _report(parts().checkup.report())


@blueprint.route("/ready")
@needs("open")
@blueprint.response(200, schemas.Ready, description="A job posted now would be accepted and run.")
@blueprint.alt_response(503, schema=schemas.Ready, description="It would not: the checks say why.")
def ready() -> tuple[dict[str, Any], int]:
    """Readiness check: database, migrations and workers."""
    found = tuple(check for check in parts().checkup.report() if check.name in checks.NEEDED_TO_RENDER)
    well = checks.ready(found)
    return {"ready": well, "checks": _by_name(found)}, 200 if well else 503


@blueprint.route("/api/v1/health")
@needs("viewer")
@blueprint.response(200, schemas.Health)
@blueprint.alt_response(503, schema=schemas.Health, description="The database does not answer.")
def health_in_detail() -> tuple[dict[str, Any], int]:
    """Health check with the load of this process and of every node."""
    here = parts()
    body, status = _report(here.checkup.report())
    process = {"pid": os.getpid(), "waiting_clients": here.waiting.count, "waiters_limit": here.settings.inline_waiters}
    return {**body, "process": process, "nodes": _loads(here)}, status


def _report(found: Sequence[Check]) -> tuple[dict[str, Any], int]:
    word = checks.word(tuple(found))
    body = {
        "status": word,
        "timestamp": answers.moment(datetime.now(UTC)),
        "version": version("video-orchestrator"),
        "checks": _by_name(found),
    }
    return body, 503 if word == "unhealthy" else 200


def _by_name(found: Sequence[Check]) -> dict[str, Any]:
    return {check.name: {"ok": check.ok, "latency_ms": check.latency_ms, "detail": check.detail} for check in found}


def _loads(here: Parts) -> list[dict[str, Any]]:
    try:
        with here.engine.connect() as conn:
            nodes = reading.fleet(conn)
    except (OperationalError, PoolTimeout):
        return []
    return [{name: node[name] for name in ("id", "state", "health", "load")} for node in nodes]
