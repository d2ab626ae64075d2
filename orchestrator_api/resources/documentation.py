"""GET /api/v1/openapi.json and /api/v1/docs: the API as data and as a page without scripts, fonts or other hosts.

Both are open: they hold nothing but what the source code says.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import flask
from flask import Blueprint, Response, current_app

from orchestrator_api import errors
from orchestrator_api.auth.needs import OPEN, declared, needs

blueprint = Blueprint("documentation", __name__, url_prefix="/api/v1")

CSS: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1b1b }
h2 { font-size: 1.1rem; margin-top: 2rem } table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #ddd; padding: .3rem .6rem; vertical-align: top } pre, code { font-size: .9em }
pre { background: #f5f5f5; overflow: auto; padding: 1rem } :target { background: #fff7d6 }
"""
POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    + "'"
)
# Of the brief. What else a job may say is in docs/scene.md.
EXAMPLE: Final[dict[str, Any]] = {
    "id": "job_12345",
    "output_format": "mp4",
    "width": 1920,
    "height": 1080,
    "elements": [
        {
            "id": "element_1",
            "type": "video",
            "source": "https://example.com/video.mp4",
            "track": 1,
            "x": "0%",
            "y": "0%",
            "width": "100%",
            "height": "100%",
        }
    ],
    "priority": "normal",
}


@blueprint.route("/openapi.json")
@needs(OPEN)
def openapi() -> Response:
    """The API as an OpenAPI 3.1 document."""
    return flask.jsonify(document())


@blueprint.route("/docs")
@needs(OPEN)
def docs() -> Response:
    """The same for people, with every problem code."""
    page = flask.render_template("docs.html", document=document(), problems=problem_codes(), css=CSS)
    return Response(page, headers={"Content-Security-Policy": POLICY})


def document() -> dict[str, Any]:
    """The OpenAPI document of the app: what flask-smorest collected, plus who may call and how problems look."""
    found: dict[str, Any] = flask.json.loads(flask.json.dumps(_spec().to_dict()))
    for response in found["components"].get("responses", {}).values():
        if content := response.get("content"):
            response["content"] = {errors.CONTENT_TYPE: content["application/json"]}
    for rule in current_app.url_map.iter_rules():
        for operation in _operations(found, rule.rule, rule.methods or set()):
            role = declared(current_app.view_functions[rule.endpoint])
            operation["operationId"] = rule.endpoint.rpartition(".")[2]
            operation["x-needs"] = role
            operation["security"] = [] if role == OPEN else [{"bearer": []}, {"apiKey": []}]
    for address in ("orchestrate", "analyze"):
        _describe_job(found["paths"][f"/api/v1/{address}"]["post"], ["elements"], EXAMPLE)
    moment = {"job": EXAMPLE, "time": 2.5, "max_width": 640}
    _describe_job(found["paths"]["/api/v1/preview"]["post"], ["job"], moment)
    _describe_key(found["paths"]["/api/v1/orchestrate"]["post"])
    return found


def problem_codes() -> list[dict[str, Any]]:
    """Every code a problem may carry: status, meaning, remedy."""
    ours = {
        kind.code: {
            "code": kind.code,
            "status": errors.status_of(kind),
            "about": (kind.__doc__ or "").split("\n")[0],
            "remedy": kind.remedy,
        }
        for kind in errors.classes()
    }
    theirs = {
        code: {"code": code, "status": status, "about": title + ".", "remedy": remedy}
        for status, (code, title, remedy) in errors.REFUSALS.items()
    }
    return sorted({**theirs, **ours}.values(), key=lambda problem: (problem["status"], problem["code"]))


def _spec() -> Any:
    return current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec


def _operations(found: dict[str, Any], rule: str, methods: set[str]) -> list[dict[str, Any]]:
    path = found["paths"].get(rule.replace("<", "{").replace(">", "}"), {})
    return [operation for method, operation in path.items() if method.upper() in methods]


def _describe_job(operation: dict[str, Any], required: list[str], example: dict[str, Any]) -> None:
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "required": required}, "example": example}},
    }


def _describe_key(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "For 24 h the same key and body give the same job; another body is a 409.",
            "schema": {"type": "string", "maxLength": 255},
        }
    )
