"""Where each element lies: from lengths and anchors to whole, even pixels of the output."""

from __future__ import annotations

import math
from fractions import Fraction

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.model import Element, JobSpec, Length
from workflows.spec.quantities import MAX_PX

Rectangle = tuple[int, int, int, int]
Size = tuple[int, int]


def place(element: Element, index: int, spec: JobSpec, natural: Size | None) -> Rectangle:
    """x, y, width and height in output pixels, each rounded to the nearest even number (sizes at least 2).

    `natural` is the source's size, which gives a missing width or height; without one (text) the box goes as far as
    the canvas. Raises InvalidSpec for a box wider or higher than 16384 px.
    """
    width, height = _size(element, spec, natural)
    _check(width, height, element, index)
    x = _measure(element.x, spec.width) - _measure(element.x_anchor, width)
    y = _measure(element.y, spec.height) - _measure(element.y_anchor, height)
    return _even(x), _even(y), max(2, _even(width)), max(2, _even(height))


def _size(element: Element, spec: JobSpec, natural: Size | None) -> tuple[Fraction, Fraction]:
    width = _measure(element.width, spec.width) if element.width else None
    height = _measure(element.height, spec.height) if element.height else None
    if natural and width is not None and height is None:
        height = width * Fraction(natural[1], natural[0])
    if natural and height is not None and width is None:
        width = height * Fraction(natural[0], natural[1])
    if width is None:
        width = _room(element.x, element.x_anchor, spec.width)
    if height is None:
        height = _room(element.y, element.y_anchor, spec.height)
    return width, height


def _room(position: Length, anchor: Length, canvas: int) -> Fraction:
    """The longest side that stays on the canvas with its anchor at `position`: for anchor 0, up to the far edge."""
    at = _measure(position, canvas)
    if anchor.unit == "px":
        return max(Fraction(2), canvas - at + anchor.value)
    share = anchor.value / 100
    limits = [(canvas - at) / (1 - share)] if share < 1 else []
    limits += [at / share] if share > 0 else []
    return max(Fraction(2), min(limits))


def _measure(length: Length, whole: Fraction | int) -> Fraction:
    return length.value * whole / 100 if length.unit == "%" else length.value


def _even(value: Fraction) -> int:
    return 2 * math.floor(value / 2 + Fraction(1, 2))


def _check(width: Fraction, height: Fraction, element: Element, index: int) -> None:
    name = "width" if width >= height else "height"
    if max(width, height) > MAX_PX:
        message = f'"{element.id}" would be {round(width)}x{round(height)} px; up to {MAX_PX} px a side are possible.'
        raise InvalidSpec([problem(f"elements[{index}].{name}", "out_of_range", message, "Make it smaller.")])
