"""Who may call a view: declared on the view, enforced before every request, closed where nothing is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import flask
import structlog
from flask import Flask

from orchestrator_api.parts import Parts, parts_of
from workflows.access.keys import Caller, Role, verify
from workflows.errors import Forbidden, Unauthorised

View = TypeVar("View", bound=Callable[..., Any])

OPEN: Final = "open"
DECLARED: Final = "__needs__"


def needs(role: str) -> Callable[[View], View]:
    """Declare the lowest role that may call the view, or `open` for everyone without a key. Goes under `route`."""
    if role != OPEN:
        Role.named(role)

    def declare(view: View) -> View:
        setattr(view, DECLARED, role)
        return view

    return declare


def declared(view: Callable[..., Any]) -> str | None:
    """The role a view declares; None when it declares nothing, which closes it to all."""
    return getattr(view, DECLARED, None)


def caller() -> Caller:
    """Who makes the current request."""
    found: Caller = flask.g.caller
    return found


def enforce(app: Flask) -> None:
    """Check the caller's key before each request of the app."""
    app.before_request(_admit)


def _admit() -> None:
    endpoint = flask.request.endpoint
    if endpoint is None:  # no such address or method: the routing error answers
        return
    wanted = declared(flask.current_app.view_functions[endpoint])
    if wanted == OPEN:
        return
    found = _identified(parts_of(flask.current_app))
    if wanted is None or found.role < Role.named(wanted):
        raise Forbidden(f"this needs the role {wanted or 'nobody has'}; the key's role is {found.role.name.lower()}")
    flask.g.caller = found


def _identified(parts: Parts) -> Caller:
    def look_up(presented: str) -> Caller:
        with parts.engine.connect() as conn:
            return verify(conn, parts.settings, presented)

    found = parts.callers.caller(_presented(), look_up)
    structlog.contextvars.bind_contextvars(tenant=found.tenant, key_id=found.key_id)
    return found


def _presented() -> str:
    """The key of the request; only from headers, since addresses end up in logs."""
    scheme, _, key = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if key := flask.request.headers.get("X-API-Key", "").strip():
        return key
    raise Unauthorised("the request carries no API key")
