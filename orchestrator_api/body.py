"""Reading what a client sends: strict JSON, and headers that are used as keys. What it means is the schema's."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import flask
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wsgi import get_input_stream

from orchestrator_api.parts import parts
from workflows.errors import InvalidSpec

KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
DROP_BYTES: Final = 16 * 1024**2


def json_object() -> dict[str, Any]:
    """The request's body. Raises 415, 400 and 413 for what is no JSON or too long, InvalidSpec for no object."""
    if not flask.request.is_json:
        raise UnsupportedMediaType("the body must be JSON, and say so: Content-Type: application/json")
    try:
        body = json.loads(_read(parts().settings.max_body_bytes), parse_constant=_no_number, object_pairs_hook=_object)
    except RecursionError as err:
        raise BadRequest("the body is nested too deeply") from err
    except ValueError as err:
        raise BadRequest(f"the body is not valid JSON: {err}") from err
    if not isinstance(body, dict):
        problem = {"path": "", "code": "wrong_type", "message": "the body must be a JSON object", "remedy": "Send {…}."}
        raise InvalidSpec([problem])
    return body


def idempotency_key() -> str | None:
    """The Idempotency-Key, if there is one. Raises 400 for one that is empty, longer than 255 or not plain ASCII."""
    key = flask.request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise BadRequest("the Idempotency-Key must be 1 to 255 visible ASCII characters")
    return key


def _read(limit: int) -> bytes:
    """The whole body. Raises 413 past `limit`, with or without a Content-Length (werkzeug 3.1 cuts a chunked one off).

    What is too much is read and dropped, within reason: a connection closed on unread bytes is reset, and the client
    would never see the 413.
    """
    stream = get_input_stream(flask.request.environ)
    raw = stream.read(limit + 1)
    if len(raw) <= limit:
        return raw
    dropped = 0
    while dropped < DROP_BYTES and (chunk := stream.read(65536)):
        dropped += len(chunk)
    raise RequestEntityTooLarge(f"the body is longer than {limit} bytes")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} appears twice in one object")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
