"""What every request and answer carries: an id that joins logs, errors and answers, and headers that close doors.

There are no CORS headers: browsers of other sites may not read anything.
"""

from __future__ import annotations

import re
import time
from typing import Final

import flask
import structlog
from flask import Flask, Response

from workflows.jobs.ids import new_id

SANE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def wrap(app: Flask) -> None:
    """Give every request of the app its id and every answer its headers. Call it before anything that can refuse."""
    app.before_request(_open)
    app.after_request(_close)


def _open() -> None:
    presented = flask.request.headers.get("X-Request-ID", "")
    flask.g.request_id = presented if SANE.fullmatch(presented) else new_id("req")
    flask.g.started = time.monotonic()
    structlog.contextvars.clear_contextvars()  # the thread served others before
    structlog.contextvars.bind_contextvars(request_id=flask.g.request_id)


def _close(response: Response) -> Response:
    response.headers["X-Request-ID"] = flask.g.get("request_id", "")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
