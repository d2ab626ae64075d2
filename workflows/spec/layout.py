"""Where each element lies: from lengths and anchors to whole, even pixels of the output."""

from __future__ import annotations

import math
from fractions import Fraction

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.model import Element, JobSpec, Length, Unit
from workflows.spec.quantities import MAX_PX

Rectangle = tuple[int, int, int, int]
Size = tuple[Fraction | int, Fraction | int]


def place(element: Element, index: int, spec: JobSpec, natural: Size | None) -> Rectangle:
    """x, y, width and height in output pixels, each rounded to the nearest even number (sizes at least 2).

    `natural` is the source's size, which gives a missing width or height; without one (text) the box goes as far as
    the canvas. Raises InvalidSpec for a box wider or higher than 16384 px.
    """
    width, height = _size(element, spec, natural)
    _check(width, height, element, index)
    x = measure(element.x, spec.width, spec) - measure(element.x_anchor, width, spec)
    y = measure(element.y, spec.height, spec) - measure(element.y_anchor, height, spec)
    return _even(x), _even(y), max(2, _even(width)), max(2, _even(height))


def _size(element: Element, spec: JobSpec, natural: Size | None) -> tuple[Fraction, Fraction]:
    width = measure(element.width, spec.width, spec) if element.width else None
    height = measure(element.height, spec.height, spec) if element.height else None
    if natural and width is not None and height is None:
        height = width * Fraction(natural[1]) / natural[0]
    if natural and height is not None and width is None:
        width = height * Fraction(natural[0]) / natural[1]
    if width is None:
        width = _room(element.x, element.x_anchor, spec.width, spec)
    if height is None:
        height = _room(element.y, element.y_anchor, spec.height, spec)
    return width, height


def _room(position: Length, anchor: Length, canvas: int, spec: JobSpec) -> Fraction:
    """The longest side that stays on the canvas with its anchor at `position`: for anchor 0, up to the far edge."""
    at = measure(position, canvas, spec)
    if anchor.unit != "%":
        return max(Fraction(2), canvas - at + measure(anchor, canvas, spec))
    share = anchor.value / 100
    limits = [(canvas - at) / (1 - share)] if share < 1 else []
    limits += [at / share] if share > 0 else []
    return max(Fraction(2), min(limits))


def measure(length: Length, whole: Fraction | int, spec: JobSpec) -> Fraction:
    """The length in output pixels; percentages are of `whole`, vw and its kin of the job's sides."""
    if length.unit == "px":
        return length.value
    sides: dict[Unit, Fraction | int] = {
        "%": whole,
        "vw": spec.width,
        "vh": spec.height,
        "vmin": min(spec.width, spec.height),
        "vmax": max(spec.width, spec.height),
    }
    return length.value * sides[length.unit] / 100


def _even(value: Fraction) -> int:
    return 2 * math.floor(value / 2 + Fraction(1, 2))


def _check(width: Fraction, height: Fraction, element: Element, index: int) -> None:
    name = "width" if width >= height else "height"
    if max(width, height) > MAX_PX:
        message = f'"{element.id}" would be {round(width)}x{round(height)} px; up to {MAX_PX} px a side are possible.'
        raise InvalidSpec([problem(f"elements[{index}].{name}", "out_of_range", message, "Make it smaller.")])
