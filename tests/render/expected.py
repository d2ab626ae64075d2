"""The picture a timeline must give, computed by NumPy from the rules of the scene; shares no code with the renderer.

Sources are flat patches, sampled by the nearest pixel; pixels near an edge, which scaling may blur, are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Protocol

import numpy as np

from tests.render.footage import Clip, to_yuv
from workflows.spec.timeline import Layer, Timeline


class Source(Protocol):
    """Something with a picture at every frame."""

    def at(self, n: int) -> np.ndarray: ...


class Flat:
    """A shape's fill as a source."""

    def __init__(self, color: str) -> None:
        digits = f"{color.removeprefix('#')}ff"[:8]
        self.pixels = np.array([[[int(digits[i : i + 2], 16) for i in (0, 2, 4, 6)]]], np.uint8)

    def at(self, _: int) -> np.ndarray:
        return self.pixels


def composite(timeline: Timeline, sources: Mapping[str, Source], n: int) -> np.ndarray:
    """RGB (float) of output frame n."""
    fill = timeline.fill_color.removeprefix("#")
    fill = "".join(c * 2 for c in fill) if len(fill) == 3 else fill
    picture = np.empty((timeline.height, timeline.width, 3))
    picture[:] = [int(fill[i : i + 2], 16) for i in (0, 2, 4)]
    for layer in timeline.layers:
        if layer.start <= n < layer.start + layer.frames:
            source = sources[layer.source] if layer.source else Flat(str(layer.fill_color))
            _blend(picture, layer, source, n - layer.start, timeline.frame_rate)
    return picture


def opacity(layer: Layer, at: int) -> float:
    """Opacity of the layer's frame: linear fades over `fade_in` and `fade_out` frames, 0 just outside the layer."""
    rising = min(1.0, at / layer.fade_in) if layer.fade_in else 1.0
    falling = min(1.0, (layer.frames - at) / layer.fade_out) if layer.fade_out else 1.0
    return layer.opacity * rising * falling


def _blend(picture: np.ndarray, layer: Layer, source: Source, at: int, rate: Fraction) -> None:
    index = floor((layer.trim_start + at / rate) * source.rate) if isinstance(source, Clip) else 0
    pixels = source.at(index).astype(float)
    across, down = _in_box(layer, *picture.shape[:2])
    x, y, inside = _sampled(layer, pixels.shape[1], pixels.shape[0], across, down)
    inside &= _rounded(layer, across, down)
    patch = pixels[y[inside], x[inside]]
    alpha = patch[..., 3:] / 255 * opacity(layer, at)
    picture[inside] = patch[..., :3] * alpha + picture[inside] * (1 - alpha)


def _in_box(layer: Layer, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the canvas lies in the layer's box before it is turned, from its upper left corner."""
    box = layer.box
    y, x = np.mgrid[:rows, :columns] + 0.5
    x, y = x - box.x - box.width / 2, y - box.y - box.height / 2
    angle = np.deg2rad(float(layer.look.rotation))
    turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return turned[0] + box.width / 2, turned[1] + box.height / 2


def _sampled(
    layer: Layer, wide: int, high: int, across: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The source's pixel at each place in the box, and whether there is one."""
    crop, box = layer.look.crop, layer.box
    left, top, wide, high = (
        (float(crop.x * wide), float(crop.y * high), float(crop.width * wide), float(crop.height * high))
        if crop
        else (0, 0, wide, high)
    )
    scales = box.width / wide, box.height / high
    if layer.fit != "fill":
        scales = ({"cover": max(scales), "contain": min(scales), "none": 1}[layer.fit],) * 2
    x = (across - box.width / 2) / scales[0] + wide / 2
    y = (down - box.height / 2) / scales[1] + high / 2
    inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
    inside &= (across > 0) & (across < box.width) & (down > 0) & (down < box.height)
    return np.floor(x + left).astype(int), np.floor(y + top).astype(int), inside


def _rounded(layer: Layer, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Whether places lie inside the ellipses that round the box's corners."""
    wide, high = (float(radius) for radius in layer.look.radii)
    if not wide or not high:
        return np.ones(across.shape, bool)
    beyond_x = np.maximum(0, np.abs(across - layer.box.width / 2) - (layer.box.width / 2 - wide)) / wide
    beyond_y = np.maximum(0, np.abs(down - layer.box.height / 2) - (layer.box.height / 2 - high)) / high
    return beyond_x**2 + beyond_y**2 <= 1


def flat(picture: np.ndarray, margin: int = 6) -> np.ndarray:
    """Where the picture does not change within `margin` pixels."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    same = np.ones((height, width), bool)
    for dy in (-margin, 0, margin):
        for dx in (-margin, 0, margin):
            moved = padded[margin + dy : margin + dy + height, margin + dx : margin + dx + width]
            same &= np.abs(moved - picture).max(-1) < 0.5
    return same


def worst_difference(planes: tuple[np.ndarray, np.ndarray, np.ndarray], picture: np.ndarray) -> float:
    """Largest difference, in 8-bit steps, between a decoded frame's planes and the expected picture, off the edges."""
    where = flat(picture)
    assert where.mean() > 0.25, "the expected picture is too busy to compare"
    luma, *colours = to_yuv(picture)
    worst = np.abs(planes[0] - luma)[where].max()
    for decoded, wanted in zip(planes[1:], colours, strict=True):
        worst = max(worst, np.abs(decoded - wanted[::2, ::2])[where[::2, ::2]].max())
    return float(worst)
