"""A still's look, baked into its pixels once, in the scene's order: corners, stroke, shadow, turning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, cos, radians, sin

import numpy as np
from PIL import Image, ImageFilter

from orchestrator_tasks.ffmpeg import colour, colouring, shapes
from orchestrator_tasks.ffmpeg.distance import widened
from orchestrator_tasks.ffmpeg.geometry import Rect, rect_of, turned_rect
from orchestrator_tasks.ffmpeg.raster import Coverage, Pixels
from workflows.spec.model import Shadow, Stroke, TextStyle
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
    if look.chroma_key:
        drawn = replace(drawn, pixels=colouring.keyed_still(drawn.pixels, look.chroma_key))
    drawn = replace(drawn, pixels=colouring.coloured(drawn.pixels, look.filters))
    if look.rounded:
        drawn = replace(drawn, pixels=_rounded(drawn, layer))
    if look.stroke:
        # A picture that is contained has its box's edge where it has no pixels.
        drawn = _in_box(drawn, layer) if look.drawn_whole or layer.fit in ("contain", "none") else drawn
        drawn = _over(drawn, shapes.outline(layer.box, look, drawn.rect))
    # About the middle of the box, where the picture need not reach its edges.
    return _finished(_in_box(drawn, layer), layer) if look.drawn_whole else drawn


def shape(layer: Layer, shown: Rect) -> Drawn:
    """A shape with its look; only `shown` of it, unless all of it matters."""
    pixels = shapes.shape(layer.box, layer.look, str(layer.fill_color), shown)
    return _finished(Drawn(pixels=pixels, x=shown.x, y=shown.y), layer)


def written(drawn: Drawn, block: Rect, layer: Layer) -> Drawn:
    """A text with its stroke, its background around `block` (where its lines are), and its shadow."""
    style, look = layer.text, layer.look
    if style is None or not drawn.pixels.size:
        return drawn
    if look.stroke:
        drawn = outlined(drawn, look.stroke)
    if style.background_color:
        drawn = _on_background(drawn, block, style)
    return _finished(drawn, layer)


def _on_background(drawn: Drawn, block: Rect, style: TextStyle) -> Drawn:
    padding, radius = float(style.background_padding), float(style.border_radius)
    pixels, x, y = shapes.panel(block, padding, radius, str(style.background_color))
    panel = Drawn(pixels=pixels, x=x, y=y)
    both = panel.rect.around(drawn.rect)
    return Drawn(pixels=_over(_grown(panel, both), _grown(drawn, both).pixels).pixels, x=both.x, y=both.y)


def _finished(drawn: Drawn, layer: Layer) -> Drawn:
    """With the shadow, then turned about the middle: the shadow's margin is the same on all sides."""
    if layer.look.shadow:
        drawn = shadowed(drawn, layer.look.shadow, layer.look.reach)
    return turned(drawn, layer.look.rotation)


def shadowed(drawn: Drawn, shadow: Shadow, reach: int) -> Drawn:
    """Over its own shape in the shadow's color, blurred and moved."""
    drawn = _grown(drawn, drawn.rect.grown(reach))
    blurred = Image.fromarray(drawn.pixels[..., 3]).filter(ImageFilter.GaussianBlur(float(shadow.blur) / 2))
    # Moved by parts of a pixel too.
    move = (1, 0, -float(shadow.x), 0, 1, -float(shadow.y))
    cover = np.array(blurred.transform(blurred.size, Image.Transform.AFFINE, move, Image.Resampling.BILINEAR))
    under = tinted(cover, shadow.color)
    return _over(replace(drawn, pixels=under), drawn.pixels)


def outlined(drawn: Drawn, stroke: Stroke) -> Drawn:
    """Over its own shape made wider by the stroke all around, in the stroke's color."""
    reach = ceil(stroke.width) + 1
    drawn = _grown(drawn, drawn.rect.grown(reach))
    under = tinted(widened(drawn.pixels[..., 3], float(stroke.width)), stroke.color)
    return _over(replace(drawn, pixels=under), drawn.pixels)


def tinted(cover: Coverage, color: str) -> Pixels:
    """One color wherever something is covered."""
    *rgb, alpha = colour.parse(color)
    pixels = np.empty((*cover.shape, 4), np.uint8)
    pixels[..., :3] = rgb
    pixels[..., 3] = np.rint(cover * (alpha / 255))
    return pixels


def _over(under: Drawn, pixels: Pixels) -> Drawn:
    both = Image.alpha_composite(Image.fromarray(under.pixels, "RGBA"), Image.fromarray(pixels, "RGBA"))
    return replace(under, pixels=np.array(both))


def _grown(drawn: Drawn, onto: Rect) -> Drawn:
    """On see-through pixels that fill `onto`, which holds it."""
    left, top = drawn.x - onto.x, drawn.y - onto.y
    right, bottom = onto.width - left - drawn.rect.width, onto.height - top - drawn.rect.height
    return Drawn(pixels=np.pad(drawn.pixels, ((top, bottom), (left, right), (0, 0))), x=onto.x, y=onto.y)


def turned(drawn: Drawn, degrees: Fraction) -> Drawn:
    """Turned clockwise about its middle."""
    if not degrees or not drawn.pixels.size:
        return drawn
    drawn = _framed(drawn)
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


def _framed(drawn: Drawn) -> Drawn:
    """With see-through pixels around, in an even number of rows and columns."""
    height, width = drawn.pixels.shape[:2]
    pixels = np.pad(drawn.pixels, ((_MARGIN, _MARGIN + height % 2), (_MARGIN, _MARGIN + width % 2), (0, 0)))
    return Drawn(pixels=pixels, x=drawn.x - _MARGIN, y=drawn.y - _MARGIN)


def _in_box(drawn: Drawn, layer: Layer) -> Drawn:
    """On see-through pixels of the size of the box."""
    return _grown(drawn, rect_of(layer.box).around(drawn.rect))


def _rounded(drawn: Drawn, layer: Layer) -> Pixels:
    upright = replace(layer.look, rotation=Fraction(0))
    cover = shapes.coverage(layer.box, upright, drawn.rect, drawn.rect)
    pixels = drawn.pixels.copy()
    pixels[..., 3] = (pixels[..., 3].astype(np.uint16) * cover + 127) // 255
    return pixels
