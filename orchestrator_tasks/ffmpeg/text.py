"""Text to pixels: Pango lays it out (shaping, bidi, wrapping), cairo draws it, both from the pyvips-binary wheel.

The user's text is escaped, never read as markup. Only shipped fonts are used; what they cannot show is reported.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from orchestrator_tasks.ffmpeg import colour, fonts
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.errors import InvalidSpec
from workflows.spec.model import TextStyle

RASTERISER = "pango-1"  # changes when the same text may give other pixels: part of cache keys
MAX_PIXELS = 64_000_000  # of one text; 256 MB
_ALIGN = {"left": "low", "center": "centre", "right": "high"}
_PANGO_SCALE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPicture:
    """Drawn text, cropped to its ink. `x`, `y` are the crop's place in the layout box; empty text has no pixels."""

    x: int
    y: int
    pixels: Pixels
    missing: tuple[str, ...]  # characters the font cannot show


def draw(style: TextStyle, width: int) -> TextPicture:
    """The text laid out in a box `width` pixels wide. Raises FontMissing, InvalidSpec when it is too large."""
    font = fonts.find(style.font_family)
    content = _printable(style.text)
    if not content.strip():
        return TextPicture(x=0, y=0, pixels=np.zeros((0, 0, 4), np.uint8), missing=())
    image = _layout(style, font.family, content, width)
    if image.width * image.height > MAX_PIXELS:
        raise InvalidSpec([{"path": "elements", "code": "too_large", "message": "The text is too large to draw."}])
    return TextPicture(
        x=image.get("xoffset"),
        y=image.get("yoffset"),
        pixels=_coloured(image.numpy()[..., 3], style.fill_color),
        missing=fonts.missing(font, content),
    )


def _layout(style: TextStyle, family: str, content: str, width: int) -> Any:
    # At 72 dpi a point is a pixel. The size goes into the span, in 1/1024 pt, since the description takes no fractions.
    size = round(style.font_size * _PANGO_SCALE)
    markup = f'<span size="{size}" weight="{int(style.font_weight)}">{escape(content)}</span>'
    return vips().Image.text(
        markup, font=family, dpi=72, width=width, align=_ALIGN[style.text_align], wrap="word-char", rgba=True
    )


def _coloured(coverage: Any, fill_color: str) -> Pixels:
    """Straight RGBA: one colour everywhere, so that no dark fringe can appear; the ink is in the alpha."""
    *rgb, alpha = colour.parse(fill_color)
    pixels = np.empty((*coverage.shape, 4), np.uint8)
    pixels[..., :3] = rgb
    pixels[..., 3] = np.rint(coverage * (alpha / 255))
    return pixels


def _printable(text: str) -> str:
    """Without control characters, which markup cannot carry; line breaks and tabs stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def warm() -> None:
    """Start the layout engine now, so that the first title does not wait for it. Only after a worker has forked."""
    vips()


@cache
def vips() -> Any:
    """pyvips, with Pango started on the shipped fonts only."""
    import pyvips  # noqa: PLC0415  starts threads, so never before a worker has forked

    with fonts.only_shipped():
        pyvips.Image.text("x", font=next(iter(fonts.FONTS)), dpi=72, rgba=True).avg()
    return pyvips
