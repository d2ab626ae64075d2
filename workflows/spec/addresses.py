"""URLs in a job: what they may look like. Whether they may be reached is the downloader's to decide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from workflows.spec.faults import rejected, shown
from workflows.spec.words import Parse

MAX_CHARACTERS = 2048


def address(schemes: Sequence[str]) -> Parse:
    """A parser for an absolute URL of one of `schemes`, at most 2048 characters, without user name or password."""
    what = f"an absolute {', '.join(schemes)} URL"

    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise rejected("invalid_type", f"{shown(value)} is not a URL.", f"Write {what}.")
        if len(value) > MAX_CHARACTERS:
            raise rejected("too_long", f"The URL has {len(value)} characters.", f"Use at most {MAX_CHARACTERS}.")
        _check(_parts(value, what), value, schemes, what)
        return value

    return parse


def _parts(value: str, what: str) -> SplitResult:
    # urlsplit() silently strips tabs and newlines and leaves spaces and backslashes, on which clients disagree.
    if re.search(r"[\s\\\x00-\x20\x7f]", value):
        raise rejected("invalid_value", "The URL has a space, backslash or control character.", "Percent-encode it.")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as err:
        raise rejected("invalid_value", f"{shown(value)} is not a URL: {err}.", f"Write {what}.") from err
    return parts


def _check(parts: SplitResult, value: str, schemes: Sequence[str], what: str) -> None:
    if parts.scheme not in schemes or not parts.hostname:
        raise rejected("invalid_value", f"{shown(value)} is not {what}.", f"Write {what}.")
    if "@" in parts.netloc:
        raise rejected("invalid_value", "The URL carries a user name or password.", "Use a signed URL instead.")
    if parts.scheme == "s3" and not parts.path.strip("/"):
        raise rejected("invalid_value", f"{shown(value)} names no object.", "Write s3://bucket/key.")
