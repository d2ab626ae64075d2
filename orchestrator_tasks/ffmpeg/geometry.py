"""Where a source's pixels land: fit to a box, crop to the canvas. Whole, even numbers only. Pure.

Even, because the composition is 4:2:0: one colour sample covers 2 x 2 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from workflows.spec.layout import Size
from workflows.spec.look import turned
from workflows.spec.model import Fit
from workflows.spec.timeline import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle on the canvas, pixels."""

    x: int
    y: int
    width: int
    height: int

    def meet(self, other: Rect) -> Rect | None:
        """What both have in common; None when they do not touch."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        if right <= left or bottom <= top:
            return None
        return Rect(x=left, y=top, width=right - left, height=bottom - top)

    def around(self, other: Rect) -> Rect:
        """The smallest rectangle that holds both."""
        left, top = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return Rect(x=left, y=top, width=right - left, height=bottom - top)

    def grown(self, by: int) -> Rect:
        """With `by` pixels more on every side."""
        return Rect(x=self.x - by, y=self.y - by, width=self.width + 2 * by, height=self.height + 2 * by)

    def covers(self, other: Rect) -> bool:
        """Whether `other` lies wholly inside."""
        return self.meet(other) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Scale the source to `width` x `height`, then cut out what is shown at `shown` from offset `left`, `top`."""

    width: int
    height: int
    left: int
    top: int
    shown: Rect


def canvas(width: int, height: int) -> Rect:
    """The output picture as a rectangle."""
    return Rect(x=0, y=0, width=width, height=height)


def placement(fit: Fit, box: Box, source: Size, onto: Rect) -> Placement | None:
    """How a source of that displayed size fills `box` on the canvas `onto`; None when nothing of it is visible.

    fill stretches; cover fills the box and cuts what sticks out, equally on both sides; contain shows all of the
    source in the middle of the box and leaves the rest of the box see-through; none keeps the source's own size, in the
    middle of the box. blur-pad fills the box: what lies in it is the affair of whoever draws it.
    """
    width, height = _scaled(fit, box, source)
    at = Rect(x=box.x + _half(box.width - width), y=box.y + _half(box.height - height), width=width, height=height)
    inside = at.meet(Rect(x=box.x, y=box.y, width=box.width, height=box.height))
    shown = inside and inside.meet(onto)
    if shown is None:
        return None
    return Placement(width=width, height=height, left=shown.x - at.x, top=shown.y - at.y, shown=shown)


def _scaled(fit: Fit, box: Box, source: Size) -> tuple[int, int]:
    if fit in ("fill", "blur-pad"):
        return box.width, box.height
    if fit == "none":
        return even(Fraction(source[0])), even(Fraction(source[1]))
    wide, high = Fraction(box.width) / source[0], Fraction(box.height) / source[1]
    if fit == "cover":
        scale = max(wide, high)
        return max(even(source[0] * scale), box.width), max(even(source[1] * scale), box.height)
    scale = min(wide, high)
    return min(even(source[0] * scale), box.width), min(even(source[1] * scale), box.height)


def blur_pad_sigma(box: Box) -> float:
    """How much the picture behind is blurred, in pixels: 4 % of the box's shorter side."""
    return 0.04 * min(box.width, box.height)


def rect_of(box: Box) -> Rect:
    """The box as a rectangle."""
    return Rect(x=box.x, y=box.y, width=box.width, height=box.height)


def turned_rect(rect: Rect, degrees: Fraction) -> Rect:
    """The even rectangle around `rect` turned about its middle."""
    x, y, width, height = turned((rect.x, rect.y, rect.width, rect.height), degrees)
    return Rect(x=x, y=y, width=width, height=height)


def even(length: Fraction) -> int:
    """The nearest even whole number, at least 2."""
    return max(2, 2 * round(length / 2))


def _half(room: int) -> int:
    """Half of `room`, rounded down to an even number, so that colour samples stay where they are."""
    return room // 4 * 2
