"""Text to pixels: Pango lays it out (shaping, bidi, wrapping), cairo draws it, both from the pyvips-binary wheel.

The user's text is escaped, never read as markup. Only shipped fonts are used; what they cannot show is reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import sqrt
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from orchestrator_tasks.ffmpeg import colour, fonts
from orchestrator_tasks.ffmpeg.geometry import Rect
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.errors import InvalidSpec
from workflows.spec.model import TextStyle
from workflows.spec.quantities import MAX_PX

RASTERISER = "pango-1"  # changes when the same text may give other pixels: part of cache keys
MAX_PIXELS = 64_000_000  # of one text; 256 MB
_ALIGN = {"left": "low", "center": "centre", "right": "high"}
_PANGO_SCALE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPicture:
    """Drawn text, cropped to its ink. `x`, `y` are the crop's place in the layout box; empty text has no pixels.

    `block` is where its lines are: as wide as the ink, as high as the lines.
    """

    x: int
    y: int
    pixels: Pixels
    block: Rect
    missing: tuple[str, ...]  # characters the font cannot show


def draw(style: TextStyle, width: int, height: int = MAX_PX) -> TextPicture:
    """The text laid out in a box of that size. Raises FontMissing, InvalidSpec when it is too large."""
    font = fonts.find(style.font_family)
    content = _TRANSFORMS[style.text_transform](_printable(style.text))
    if not content.strip():
        nothing = Rect(x=0, y=0, width=0, height=0)
        return TextPicture(x=0, y=0, pixels=np.zeros((0, 0, 4), np.uint8), missing=(), block=nothing)
    lines = Lines(style=style, family=font.family, width=width)
    if style.font_size is None:
        lines = replace(lines, style=replace(style, font_size=_fitting_size(lines, content, height)))
    if style.text_overflow == "ellipsis":
        content = _shortened(lines, content, height)
    image = lines.lay(content)
    if image.width * image.height > MAX_PIXELS:
        raise InvalidSpec([{"path": "elements", "code": "too_large", "message": "The text is too large to draw."}])
    # Only a background needs the lines' own height, which costs laying them out again.
    lines_height = lines.height(content) if style.background_color else image.height
    return TextPicture(
        x=image.get("xoffset"),
        y=image.get("yoffset"),
        pixels=_coloured(image.numpy()[..., 3], style.fill_color),
        missing=fonts.missing(font, content),
        block=Rect(x=image.get("xoffset"), y=0, width=image.width, height=lines_height),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """How text is broken into lines: its style, with a size, in a width."""

    style: TextStyle
    family: str
    width: int

    def lay(self, content: str, wrap: str = "word-char") -> Any:
        """The picture of the text, cropped to its ink."""
        return vips().Image.text(
            f"<span {self._attributes()}>{escape(content)}</span>",
            font=self.family, dpi=72, width=self.width, align=_ALIGN[self.style.text_align], wrap=wrap, rgba=True,
        )  # fmt: skip

    def height(self, content: str, wrap: str = "word-char") -> int:
        """The height of all lines: how much lower an H comes to stand on one more line after them."""
        return self._foot(f"{content}\nH", wrap) - self._foot("H", wrap)

    def _foot(self, content: str, wrap: str) -> int:
        image = self.lay(content, wrap)
        return int(image.get("yoffset") + image.height)

    def _attributes(self) -> str:
        # At 72 dpi a point is a pixel. Sizes go into the span, in 1/1024 pt: the font description takes no fractions.
        style = self.style
        found = f'size="{round((style.font_size or 0) * _PANGO_SCALE)}" weight="{int(style.font_weight)}"'
        if style.letter_spacing:
            found += f' letter_spacing="{round(style.letter_spacing * _PANGO_SCALE)}"'
        return found + (f' line_height="{self._line_height():.4f}"' if style.line_height else "")

    def _line_height(self) -> float:
        """Pango multiplies the font's own height of a line, ours is in font sizes."""
        return (self.style.line_height or 0) / fonts.line_height(self.family)


def _fitting_size(lines: Lines, content: str, height: int) -> Fraction:
    """The largest size, to half a pixel, whose lines fit the box without breaking a word; the smallest if none does."""
    low, high = (int(2 * size) for size in (lines.style.font_size_minimum, lines.style.font_size_maximum))
    # No letter is smaller than a fifth of a square of the font's size: larger need not be tried, nor held in memory.
    high = min(high, 2 * height, int(2 * sqrt(lines.width * height / (0.2 * len(content.strip())))))
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(replace(lines, style=replace(lines.style, font_size=Fraction(middle, 2))), content, height):
            low = middle
        else:
            high = middle - 1
    return Fraction(low, 2)


def _fits(lines: Lines, content: str, height: int) -> bool:
    image = lines.lay(content, "word")
    return bool(image.width <= lines.width) and lines.height(content, "word") <= height


def _shortened(lines: Lines, content: str, height: int) -> str:
    """As much of the text as the box is high enough for, with an ellipsis where it is cut."""
    if lines.height(content) <= height:
        return content
    low, high = 0, len(content)
    while low < high:
        middle = (low + high + 1) // 2
        if lines.height(_cut(content, middle)) <= height:
            low = middle
        else:
            high = middle - 1
    return _cut(content, low)


def _cut(content: str, length: int) -> str:
    while length and unicodedata.combining(content[length] if length < len(content) else " "):
        length -= 1  # never between a letter and its accent
    return content[:length].rstrip() + "…"


def _capitalized(text: str) -> str:
    return re.sub(r"(?<!\S)\S", lambda found: found[0].upper(), text)


_TRANSFORMS: Mapping[str, Callable[[str], str]] = {
    "none": str, "uppercase": str.upper, "lowercase": str.lower, "capitalize": _capitalized,
}  # fmt: skip


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
