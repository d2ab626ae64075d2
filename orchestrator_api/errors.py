"""The one table from an error to an HTTP problem (RFC 9457). Bodies never carry internals: those go to the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import flask
import structlog
from flask import Flask, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from workflows import errors
from workflows.errors import InvalidSpec, OrchestratorError, Unavailable
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
PROBLEMS_PAGE: Final = "/api/v1/docs"
RETRY_AFTER_S: Final = 2

# The nearest class in an error's ancestry decides.
STATUS: Final[Mapping[type[OrchestratorError], int]] = {
    errors.InvalidSpec: 422,
    errors.SourceError: 422,
    errors.FontMissing: 422,
    errors.Conflict: 409,
    errors.Cancelled: 409,
    errors.NotFound: 404,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
    errors.NoCapacity: 503,
    errors.DeadlineExceeded: 504,
    errors.RenderFailed: 502,
    errors.RenderStalled: 502,
    errors.OutputWrong: 502,
    errors.StorageFailed: 502,
    errors.WorkerLost: 502,
    errors.OrchestratorError: 500,
}

# What HTTP itself refuses: status -> (code, title, remedy).
REFUSALS: Final[Mapping[int, tuple[str, str, str]]] = {
    400: ("bad_request", "Bad request", "Correct the request as the detail says."),
    404: ("not_found", "Not found", f"See {PROBLEMS_PAGE} for the addresses of the API."),
    405: ("method_not_allowed", "Method not allowed", "Use one of the methods in the Allow header."),
    406: ("not_acceptable", "Not acceptable", "Accept application/json."),
    413: ("body_too_large", "Body too large", "Send a smaller body; sources are named by URL, never sent along."),
    415: ("unsupported_media_type", "Unsupported media type", "Send JSON with Content-Type: application/json."),
    422: ("invalid_request", "Invalid request", "Correct the fields named under `errors`."),
}


def status_of(kind: type[OrchestratorError]) -> int:
    """The HTTP status of a class of errors."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def classes() -> Iterable[type[OrchestratorError]]:
    """Every class of errors a client may see."""
    pending = [OrchestratorError]
    while pending:
        kind = pending.pop()
        yield kind
        pending.extend(kind.__subclasses__())


def problem(status: int, code: str, detail: str, **members: Any) -> Response:
    """A problem response; members that are None or empty are left out."""
    body = {
        "type": f"{PROBLEMS_PAGE}#{code}",
        "title": members.pop("title", None) or code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        **{name: value for name, value in members.items() if value not in (None, [], {})},
        "request_id": flask.g.get("request_id"),
    }
    response = Response(flask.json.dumps(body), status=status, content_type=CONTENT_TYPE)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="orchestrator"'
    return response


def problem_of(err: OrchestratorError) -> Response:
    """The problem of one of our errors."""
    return problem(
        status_of(type(err)),
        err.code,
        err.message,
        path=err.path,
        retryable=err.retryable,
        remedy=err.advice,
        details=err.details,
        errors=err.problems if isinstance(err, InvalidSpec) else None,
    )


def problem_of_job(job: Job) -> Response:
    """The problem of a job that ended without a result, while its client waited or when it is posted again."""
    by_code = {kind.code: kind for kind in classes()}
    ending = {JobState.TIMED_OUT: errors.DeadlineExceeded, JobState.CANCELLED: errors.Cancelled}
    kind = ending.get(job.state, OrchestratorError)
    error = job.error or {"code": kind.code, "message": f"the job ended as {job.state.value}", "remedy": kind.remedy}
    return problem(
        status_of(by_code.get(str(error["code"]), kind)),
        str(error["code"]),
        str(error["message"]),
        path=error.get("path"),
        retryable=bool(error.get("retryable", False)),
        remedy=error.get("remedy"),
        details=error.get("details"),
        jobId=job.job_id,
        orchestrationId=job.orchestration_id,
        workflow_id=job.workflow_id,
    )


def register(app: Flask) -> None:
    """Answer every error of the app with a problem. Call it after flask-smorest, whose handler it replaces."""
    app.register_error_handler(OrchestratorError, problem_of)
    for lost in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(lost, _database_lost)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _defect)


def _database_lost(err: Exception) -> Response:
    log.warning("database_lost", error=type(err).__name__, exc_info=err)
    return problem_of(Unavailable("the database does not answer"))


def _refused(err: HTTPException) -> HTTPException | Response:
    status = err.code or 500
    if status < 400:
        return err
    code, title, remedy = REFUSALS.get(status, (f"http_{status}", err.name, ""))
    found = getattr(err, "data", None) or {}  # webargs leaves what is wrong with a query here
    problems = [
        {"path": field, "code": "invalid_value", "message": " ".join(messages)}
        for fields in found.get("messages", {}).values()
        for field, messages in fields.items()
    ]
    detail = problems[0]["message"] if problems else str(err.description or err.name)
    response = problem(
        status, code, detail, title=title, remedy=remedy, retryable=False, errors=problems,
        path=problems[0]["path"] if problems else None,
    )  # fmt: skip
    response.headers.extend((name, value) for name, value in err.get_headers() if name in {"Allow", "Retry-After"})
    return response


def _defect(err: Exception) -> Response:
    log.error("unhandled_error", exc_info=err)
    return problem_of(OrchestratorError("something went wrong in the service; it is logged under the request id"))
