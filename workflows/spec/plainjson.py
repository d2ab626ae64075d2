"""The job's body as plain JSON: what the ledger can store, and a hash that ignores how it was written down."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflows.spec.faults import join, problem

MAX_DEPTH = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's jsonb takes neither NUL nor half a surrogate pair


def canonical(value: Any) -> str:
    """The one way to write `value`: keys sorted, no spaces, ASCII, and whole floats as integers (1.0 is 1)."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical body, as hex. Equal for bodies that differ only in order, spacing or 1 and 1.0."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def unstorable(value: Any, path: str = "", depth: int = 0) -> Iterator[dict[str, Any]]:
    """Problems that no field's own check sees: NaN, NUL characters, broken Unicode, too much nesting."""
    if depth > MAX_DEPTH:
        yield problem(path, "too_deep", f"The JSON is nested more than {MAX_DEPTH} deep.", "Nest it less.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            broken = list(_text(str(key), path))
            yield from broken or unstorable(item, join(path, str(key)), depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from unstorable(item, join(path, index), depth + 1)
    elif isinstance(value, str):
        yield from _text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        yield problem(path, "out_of_range", "NaN and infinity are not JSON.", "Write a finite number.")


def _text(text: str, path: str) -> Iterator[dict[str, Any]]:
    if _UNSTORABLE.search(text):
        yield problem(
            path, "invalid_value", "The text has a NUL or half a surrogate pair.", "Write valid Unicode text."
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
