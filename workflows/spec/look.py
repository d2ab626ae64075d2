"""What is done to an element's picture after it has been fitted to its box: resolved to pixels and shares. Pure.

The order is fixed: crop, fit, chroma key, filters, radius, stroke, shadow, rotate, opacity, blend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.layout import Rectangle, Size, measure
from workflows.spec.model import UNFILTERED, ChromaKey, Crop, Element, Filters, JobSpec, Length, Shadow, Stroke

MAX_WHOLE_PIXELS = 64_000_000  # of what is drawn whole before it is cut to the canvas


@dataclass(frozen=True, slots=True, kw_only=True)
class CropShares:
    """The part of a source that is used, in shares of its width and height."""

    x: Fraction
    y: Fraction
    width: Fraction
    height: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one layer's picture is changed. `radii` are those of the box's corners, across and down, in pixels."""

    crop: CropShares | None = None
    radii: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    rotation: Fraction = Fraction(0)  # degrees clockwise, from 0 to below 360
    filters: Filters = UNFILTERED
    chroma_key: ChromaKey | None = None
    blend_mode: str = "normal"
    stroke: Stroke | None = None
    shadow: Shadow | None = None

    @property
    def rounded(self) -> bool:
        """Whether the corners are cut off."""
        return min(self.radii) > 0

    @property
    def see_through(self) -> bool:
        """Whether what is behind the box may be seen, whatever the source is."""
        mixed = self.chroma_key is not None or self.blend_mode != "normal"
        return self.rounded or self.drawn_whole or mixed

    @property
    def masked(self) -> bool:
        """Whether a clip of this look is seen through a mask."""
        return self.rounded or bool(self.rotation)

    @property
    def drawn_whole(self) -> bool:
        """Whether what is outside the canvas matters for what is seen on it."""
        return bool(self.rotation) or self.shadow is not None

    @property
    def reach(self) -> int:
        """How far beyond its box the layer may draw, on every side alike; pixels, even."""
        if self.shadow is None:
            return 0
        return 2 * math.ceil((max(abs(self.shadow.x), abs(self.shadow.y)) + 3 * self.shadow.blur / 2) / 2)


PLAIN = Look()


def look_of(element: Element, index: int, spec: JobSpec, at: Rectangle, crop: CropShares | None) -> Look:
    """The element's look in its box `at`. Raises InvalidSpec for a turned box that is too large to draw."""
    _, _, width, height = at
    rotation = element.rotation % 360
    look = Look(
        crop=crop,
        radii=_radii(element.border_radius, at, spec),
        rotation=rotation,
        filters=_filters(element.filters),
        chroma_key=element.chroma_key,
        blend_mode=element.blend_mode,
        stroke=element.stroke,
        shadow=element.shadow,
    )
    if look.drawn_whole and width * height > MAX_WHOLE_PIXELS:
        message = f'"{element.id}" is {width}x{height} px; turned or with a shadow at most {MAX_WHOLE_PIXELS} px.'
        name = "rotation" if rotation else "shadow_color"
        raise InvalidSpec([problem(f"elements[{index}].{name}", "out_of_range", message, "Make it smaller.")])
    return look


def _filters(filters: Filters) -> Filters:
    return replace(filters, hue=filters.hue % 360)


def _radii(radius: Length, at: Rectangle, spec: JobSpec) -> tuple[Fraction, Fraction]:
    """As CSS has it: percentages are of each side; radii that do not fit shrink by the same factor."""
    _, _, width, height = at
    across, down = (measure(radius, side, spec) for side in (width, height))
    if not across:
        return Fraction(0), Fraction(0)
    factor = min(Fraction(1), width / (2 * across), height / (2 * down))
    return across * factor, down * factor


def crop_of(crop: Crop | None, source: tuple[int, int] | None) -> CropShares | None:
    """The part in shares of the source; what lies outside it is left out, so sizes may end up at or below 0."""
    if crop is None or source is None:
        return None
    x, width = _span(crop.x, crop.width, source[0])
    y, height = _span(crop.y, crop.height, source[1])
    if width == height == 1:
        return None
    return CropShares(x=x, y=y, width=width, height=height)


def _span(start: Length, size: Length | None, whole: int) -> tuple[Fraction, Fraction]:
    first = _share(start, whole)
    last = min(Fraction(1), first + _share(size, whole)) if size else Fraction(1)
    return first, last - first


def _share(length: Length, whole: int) -> Fraction:
    return length.value / 100 if length.unit == "%" else length.value / whole


def cropped_size(crop: CropShares | None, source: tuple[int, int]) -> Size:
    """Width and height of the part that is used, in pixels of the source."""
    return (source[0] * crop.width, source[1] * crop.height) if crop else source


def turned(box: Rectangle, degrees: Fraction) -> Rectangle:
    """The smallest even rectangle, with the same middle, that holds the box turned about its middle.

    The box's middle lies on whole pixels, so x and width stay even and the middle stays where it is.
    """
    x, y, width, height = box
    angle = math.radians(float(degrees))
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    across = _half_even(width * cosine + height * sine, x + width // 2)
    down = _half_even(width * sine + height * cosine, y + height // 2)
    return x + width // 2 - across, y + height // 2 - down, 2 * across, 2 * down


def _half_even(length: float, middle: int) -> int:
    """Half of `length`, rounded up so that `middle` less it is even."""
    half = math.ceil(length / 2 - 1e-6)
    return half + (middle - half) % 2
