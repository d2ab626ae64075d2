"""What a check says. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One property of a rendered file. `level` says what not `ok` means."""

    name: str
    ok: bool
    detail: str
    level: Literal["fail", "warn"] = "fail"


def failed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks that forbid delivering the file."""
    return tuple(check for check in checks if not check.ok and check.level == "fail")


def warned(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks a person should hear of."""
    return tuple(check for check in checks if not check.ok and check.level == "warn")
