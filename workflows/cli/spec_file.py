"""Reading a job's JSON from a file or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from workflows.cli.app import Mistake


def read_job(name: str) -> dict[str, Any]:
    """The job in the file `name`, or on standard input for "-". Raises Mistake saying what cannot be read."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not UTF-8 text"
        raise Mistake(f"{name} cannot be read: {reason}.") from err
    try:
        body = json.loads(text)
    except json.JSONDecodeError as err:
        where = f"line {err.lineno}, column {err.colno}"
        raise Mistake(f"{name} is not JSON: {err.msg} at {where}.") from err
    if not isinstance(body, dict):
        raise Mistake(f"{name} is not a job: a job is a JSON object.")
    return body
