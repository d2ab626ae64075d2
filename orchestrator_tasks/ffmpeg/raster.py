"""A still picture ready to be composited: raw pixels with straight alpha, cropped, at even offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator_tasks.ffmpeg.geometry import Rect

Pixels = NDArray[np.uint8]  # height x width x 4, straight RGBA
Coverage = NDArray[np.uint8]  # height x width: how much of each pixel is covered


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Where the pixels lie on the canvas, and the pixels. `opaque` = no alpha plane is needed."""

    rect: Rect
    pixels: Pixels
    opaque: bool

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the layout `write` uses."""
        return "rgb24" if self.opaque else "rgba"

    def write(self, path: Path) -> Path:
        """Write the raw pixels to `path`."""
        pixels = self.pixels[..., :3] if self.opaque else self.pixels
        path.write_bytes(np.ascontiguousarray(pixels).tobytes())
        return path


def place(pixels: Pixels, x: int, y: int, canvas: Rect, opacity: float) -> Raster | None:
    """The part of `pixels`, put at x, y, that lies on the canvas, with `opacity` in its alpha; None when nothing does.

    4:2:0 shares one colour between 2 x 2 pixels, so the raster is grown to even edges with transparent pixels.
    """
    if not pixels.size:
        return None
    pixels = _even(pixels, x % 2, y % 2)
    whole = Rect(x=x - x % 2, y=y - y % 2, width=pixels.shape[1], height=pixels.shape[0])
    rect = whole.meet(canvas)
    if rect is None:
        return None
    top, left = rect.y - whole.y, rect.x - whole.x
    return _finish(pixels[top : top + rect.height, left : left + rect.width].copy(), rect, opacity)


def _finish(pixels: Pixels, rect: Rect, opacity: float) -> Raster | None:
    if opacity < 1:
        pixels[..., 3] = np.rint(pixels[..., 3] * opacity).astype(np.uint8)
    if not pixels[..., 3].any():
        return None
    raster = Raster(rect=rect, pixels=pixels, opaque=bool((pixels[..., 3] == 255).all()))
    return raster if raster.opaque else replace(raster, pixels=bleed(pixels))


def _even(pixels: Pixels, left: int, top: int) -> Pixels:
    height, width = pixels.shape[0] + top, pixels.shape[1] + left
    if not (left or top or height % 2 or width % 2):
        return pixels
    return np.pad(pixels, ((top, height % 2), (left, width % 2), (0, 0)))


def bleed(pixels: Pixels) -> Pixels:
    """Give fully transparent pixels the mean colour of the visible ones in their 2 x 2 block.

    They are not seen, but 4:2:0 averages their colour into the block: left black, coloured edges turn grey.
    """
    height, width = pixels.shape[:2]
    blocks = pixels.reshape(height // 2, 2, width // 2, 2, 4)
    alpha = blocks[..., 3]
    mixed = (alpha == 0).any((1, 3)) & (alpha > 0).any((1, 3))
    rows, columns = np.nonzero(mixed)
    some = blocks[rows, :, columns].astype(np.float32)  # n x 2 x 2 x 4
    weight = some[..., 3:]
    mean = (some[..., :3] * weight).sum((1, 2), keepdims=True) / weight.sum((1, 2), keepdims=True)
    colour = np.where(weight == 0, np.rint(mean), some[..., :3])
    blocks[rows, :, columns, :, :3] = colour.astype(np.uint8)
    return pixels
