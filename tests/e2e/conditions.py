"""Waiting on conditions, with a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, within_s: float = 60.0) -> T:
    """The first true value of `condition`; fails with `what`, and with the last value, after `within_s`."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, f"did not happen within {within_s} s: {what} (last: {value!r})"
        threading.Event().wait(0.05)
    return value
