"""Faults in a job's JSON: one value each, collected by marshmallow, handed on as `InvalidSpec.problems`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, and what to write instead. Where it is comes from marshmallow's nesting."""

    code: str
    message: str
    remedy: str


def rejected(code: str, message: str, remedy: str) -> ValidationError:
    """The error a parser raises for a value it refuses."""
    return ValidationError([Fault(code=code, message=message, remedy=remedy)])


def problem(path: str, code: str, message: str, remedy: str) -> dict[str, Any]:
    """One entry of `InvalidSpec.problems`."""
    return {"path": path, "code": code, "message": message, "remedy": remedy}


def problems(messages: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """The faults inside marshmallow's nested messages, each with its JSON path such as `elements[2].fit`."""
    if isinstance(messages, Fault):
        yield problem(path, messages.code, messages.message, messages.remedy)
    elif isinstance(messages, Mapping):
        for key in sorted(messages, key=_list_order):
            yield from problems(messages[key], path if key == SCHEMA else join(path, key))
    else:
        for message in messages:
            yield from problems(message, path)


def join(path: str, key: str | int) -> str:
    """The path of a field or list item below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def shown(value: Any) -> str:
    """A value as the client wrote it, cut short for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _list_order(key: Any) -> int:
    # Items of a list by index; fields stay in the order marshmallow met them (sorted() is stable).
    return key if isinstance(key, int) else -1
