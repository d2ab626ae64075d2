"""Numbers with units as clients write them, read exactly: seconds, lengths, ratios, frame rates, whole numbers.

Every parser is bounded, refuses booleans, NaN and infinity, and keeps at most 9 decimals.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Literal, cast

from workflows.spec.faults import rejected, shown
from workflows.spec.model import Length, Share, Unit
from workflows.spec.words import Parse, advice

DECIMALS = 9
MAGNITUDE = 10**12  # beyond every bound below; keeps exact arithmetic small
_WRITTEN = re.compile(r"([+-]?\d{1,13}(?:\.\d{1,18})?)\s*([a-z%]{0,8})", re.ASCII)

MAX_SECONDS = 6 * 3600
MAX_PX = 16384
MAX_PERCENT = 1000
UNITS: tuple[Unit, ...] = ("px", "%", "vw", "vh", "vmin", "vmax")
NTSC_NOMINALS = (24, 30, 48, 60, 120)


def seconds(*, above_zero: bool = False) -> Parse:
    """A parser for seconds from 0 to 6 h: 2.5, "2.5", "2.5 s". Returns a Fraction."""

    def parse(value: Any) -> Fraction:
        number, _ = _read(value, 'a number of seconds, such as 2.5 or "2.5 s"', ("s",))
        return _bounded(number, value, 0, MAX_SECONDS, " s", above=above_zero)

    return parse


def moment(*named: str) -> Parse:
    """A parser for a length of time above 0 (2.5, "50%", "1fr"), or one of the named ones ("media", "end")."""

    def parse(value: Any) -> Fraction | Share | str:
        if isinstance(value, str) and value in named:
            return value
        if isinstance(value, str) and not re.search(r"\d", value):
            wanted = f"{shown(value)} is not a number of seconds or one of {', '.join(named)}."
            raise rejected("invalid_value", wanted, advice(value, named))
        number, unit = _read(value, 'a length of time, such as 2.5, "2.5 s", "50%" or "1fr"', ("s", "%", "fr"))
        _bounded(number, value, 0, {"%": 100, "fr": 1000}.get(unit, MAX_SECONDS), unit or " s", above=True)
        return Share(value=number, unit=cast(Literal["%", "fr"], unit)) if unit in ("%", "fr") else number

    return parse


def length(*, signed: bool = False, above_zero: bool = False, units: tuple[Unit, ...] = UNITS) -> Parse:
    """A parser for px (a number, "120px") or a percentage ("12.5%", "5vw"); only `signed` ones may be negative."""

    def parse(value: Any) -> Length:
        number, written = _read(value, 'a length, such as 120, "120px" or "10%"', units)
        unit = cast(Unit, written or "px")
        high = MAX_PX if unit == "px" else MAX_PERCENT
        _bounded(number, value, -high if signed else 0, high, " px" if unit == "px" else unit, above=above_zero)
        return Length(value=number, unit=unit)

    return parse


def degrees(value: Any) -> Fraction:
    """An angle from -3600 to 3600 degrees: 45, "45deg"."""
    number, _ = _read(value, 'a number of degrees, such as 45 or "45deg"', ("deg",))
    return _bounded(number, value, -3600, 3600, " degrees")


def pixels(low: int, high: int) -> Parse:
    """A parser for a size in output pixels only: 72 or "72px". Returns a Fraction."""

    def parse(value: Any) -> Fraction:
        number, _ = _read(value, 'a number of pixels, such as 72 or "72px"', ("px",))
        return _bounded(number, value, low, high, " px")

    return parse


def ratio(high: int) -> Parse:
    """A parser for 0 to `high` or the same in percent ("50%" = 0.5). Returns a float."""

    def parse(value: Any) -> float:
        number, unit = _read(value, 'a number such as 0.5, or a percentage such as "50%"', ("%",))
        return float(_bounded(number / 100 if unit else number, value, 0, high, ""))

    return parse


def scale(value: Any) -> Fraction:
    """A parser for a share of the full size: 0.01 to 1, or "1%" to "100%". Returns a Fraction."""
    number, unit = _read(value, 'a number such as 0.5, or a percentage such as "50%"', ("%",))
    number = number / 100 if unit else number
    if not Fraction(1, 100) <= number <= 1:
        raise rejected(
            "out_of_range", f"{shown(value)} is out of range: from 0.01 to 1.", "Use a value from 0.01 to 1."
        )
    return number


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise rejected("invalid_type", f"{shown(value)} is neither true nor false.", "Write true or false.")
    return value


def whole(low: int, high: int, *, unit: str = "") -> Parse:
    """A parser for a whole number from `low` to `high`."""

    def parse(value: Any) -> int:
        number, _ = _read(value, "a whole number", ())
        if number.denominator != 1:
            raise rejected("invalid_value", f"{shown(value)} is not a whole number.", f"Use {round(number)}.")
        return int(_bounded(number, value, low, high, unit))

    return parse


def even(low: int, high: int) -> Parse:
    """A parser for an even number of pixels: pictures are composed in 4:2:0, which has no odd sizes."""
    plain = whole(low, high, unit=" px")

    def parse(value: Any) -> int:
        number: int = plain(value)
        if number % 2:
            raise rejected("invalid_value", f"{number} is odd; sizes are even.", f"Use {number - 1} or {number + 1}.")
        return number

    return parse


def frame_rate(value: Any) -> Fraction:
    """Frames a second, 1 to 120: 25, 12.5, or exactly as "30000/1001". 29.97 and its kin mean the NTSC fraction."""
    if isinstance(value, str) and "/" in value:
        return _checked_rate(_quotient(value), value)
    number, _ = _read(value, 'a frame rate, such as 25 or "30000/1001"', ("fps",))
    for nominal in NTSC_NOMINALS:
        exact = Fraction(nominal * 1000, 1001)
        if abs(number - exact) < Fraction(1, 200):
            return exact
    return _checked_rate(number, value)


def _checked_rate(rate: Fraction, value: Any) -> Fraction:
    _bounded(rate, value, 1, 120, " frames a second")
    if rate.denominator > 1001:
        message = f"{shown(value)} has no time base that mp4 can count in."
        raise rejected("invalid_value", message, f'Use "{rate.limit_denominator(1001)}".')
    return rate


def _quotient(text: str) -> Fraction:
    found = re.fullmatch(r"\s*(\d{1,7})\s*/\s*(\d{1,7})\s*", text, re.ASCII)
    if not found or int(found[2]) == 0:
        raise rejected("invalid_value", f"{shown(text)} is not a frame rate.", 'Write it as "30000/1001".')
    return Fraction(int(found[1]), int(found[2]))


def _read(value: Any, what: str, units: tuple[str, ...]) -> tuple[Fraction, str]:
    """The number in `value` and its unit ("" when none is written)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise rejected("invalid_type", f"{shown(value)} is not {what}.", f"Write {what}.")
    if isinstance(value, str):
        return _written(value, what, units)
    if not math.isfinite(value) or abs(value) > MAGNITUDE:
        raise rejected("out_of_range", f"{shown(value)} is far out of range.", f"Write {what}.")
    return round(Fraction(value), DECIMALS), ""


def _written(text: str, what: str, units: tuple[str, ...]) -> tuple[Fraction, str]:
    found = _WRITTEN.fullmatch(text.strip().lower()) if len(text) <= 64 else None
    if not found:
        raise rejected("invalid_value", f"{shown(text)} is not {what}.", f"Write {what}.")
    number, unit = found.groups()
    if unit and unit not in units:
        raise rejected(
            "invalid_value", f'{shown(text)} is not {what}: the unit "{unit}" is not known here.', f"Write {what}."
        )
    return round(Fraction(number), DECIMALS), unit


def _bounded(number: Fraction, value: Any, low: int, high: int, unit: str, *, above: bool = False) -> Fraction:
    if number > high or number < low or (above and number == low):
        span = f"above {low} and up to {high}{unit}" if above else f"from {low} to {high}{unit}"
        raise rejected("out_of_range", f"{shown(value)} is out of range: {span}.", f"Use a value {span}.")
    return number
