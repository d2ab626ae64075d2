"""Reading what a client sends: strict JSON, and headers that are used as keys. What it means is the schema's."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import flask
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from workflows.errors import InvalidSpec

KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def json_object() -> dict[str, Any]:
    """The request's body. Raises 415, 400 and 413 for what is no JSON or too long, InvalidSpec for no object."""
    if not flask.request.is_json:
        raise UnsupportedMediaType("the body must be JSON, and say so: Content-Type: application/json")
    raw = flask.request.get_data(cache=False)
    try:
        body = json.loads(raw, parse_constant=_no_number, object_pairs_hook=_object)
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} appears twice in one object")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
