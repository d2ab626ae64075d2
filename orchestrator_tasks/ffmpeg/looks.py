"""A still's look, baked into its pixels once: rounded corners, turning. The order is the scene's: radius, rotate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import cos, radians, sin

import numpy as np
from PIL import Image

from orchestrator_tasks.ffmpeg import shapes
from orchestrator_tasks.ffmpeg.geometry import Rect, turned_rect
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.spec.timeline import Layer

_MARGIN = 2  # see-through pixels around what is turned, so that its edges come out smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Pixels, and where on the canvas their first one lies."""

    pixels: Pixels
    x: int
    y: int

    @property
    def rect(self) -> Rect:
        """The pixels' place."""
        return Rect(x=self.x, y=self.y, width=self.pixels.shape[1], height=self.pixels.shape[0])


def dressed(drawn: Drawn, layer: Layer) -> Drawn:
    """An image with its layer's look."""
    look = layer.look
    if look.rounded:
        drawn = replace(drawn, pixels=_rounded(drawn, layer))
    # About the middle of the box, where the picture need not reach its edges.
    return turned(_in_box(drawn, layer), look.rotation) if look.rotation else drawn


def turned(drawn: Drawn, degrees: Fraction) -> Drawn:
    """Turned clockwise about its middle."""
    if not degrees or not drawn.pixels.size:
        return drawn
    drawn = _widened(drawn)
    onto = turned_rect(drawn.rect, degrees)
    quarter = _quarters(drawn, degrees)
    if quarter is not None:
        return quarter
    picture = Image.fromarray(drawn.pixels, "RGBA")
    turn = _inverse(drawn, onto, float(degrees))
    # Pillow premultiplies for the time of resampling, so that see-through pixels give no colour away.
    moved = picture.transform((onto.width, onto.height), Image.Transform.AFFINE, turn, Image.Resampling.BICUBIC)
    return Drawn(pixels=np.array(moved), x=onto.x, y=onto.y)


def _quarters(drawn: Drawn, degrees: Fraction) -> Drawn | None:
    """Turned by quarters, which needs no resampling where the middle lies on the corner of a pixel."""
    if degrees % 90:
        return None
    pixels = np.rot90(drawn.pixels, -int(degrees // 90))
    middle = drawn.x + drawn.rect.width // 2, drawn.y + drawn.rect.height // 2
    x, y = middle[0] - pixels.shape[1] // 2, middle[1] - pixels.shape[0] // 2
    return Drawn(pixels=np.ascontiguousarray(pixels), x=x, y=y)


def _inverse(drawn: Drawn, onto: Rect, degrees: float) -> tuple[float, ...]:
    """From a pixel of `onto` to one of `drawn`, both about their common middle."""
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))
    middle_x, middle_y = drawn.x + drawn.rect.width / 2, drawn.y + drawn.rect.height / 2
    to_x, to_y = onto.x - middle_x, onto.y - middle_y
    from_x, from_y = middle_x - drawn.x, middle_y - drawn.y
    return (
        *(cosine, sine, cosine * to_x + sine * to_y + from_x),
        *(-sine, cosine, -sine * to_x + cosine * to_y + from_y),
    )


def _widened(drawn: Drawn) -> Drawn:
    """With see-through pixels around, in an even number of rows and columns."""
    height, width = drawn.pixels.shape[:2]
    pixels = np.pad(drawn.pixels, ((_MARGIN, _MARGIN + height % 2), (_MARGIN, _MARGIN + width % 2), (0, 0)))
    return Drawn(pixels=pixels, x=drawn.x - _MARGIN, y=drawn.y - _MARGIN)


def _in_box(drawn: Drawn, layer: Layer) -> Drawn:
    """On see-through pixels of the size of the box."""
    box, rect = layer.box, drawn.rect
    left, top = rect.x - box.x, rect.y - box.y
    right, bottom = box.width - left - rect.width, box.height - top - rect.height
    pixels = np.pad(drawn.pixels, ((top, bottom), (left, right), (0, 0)))
    return Drawn(pixels=pixels, x=box.x, y=box.y)


def _rounded(drawn: Drawn, layer: Layer) -> Pixels:
    upright = replace(layer.look, rotation=Fraction(0))
    cover = shapes.coverage(layer.box, upright, drawn.rect, drawn.rect)
    pixels = drawn.pixels.copy()
    pixels[..., 3] = (pixels[..., 3].astype(np.uint16) * cover + 127) // 255
    return pixels
