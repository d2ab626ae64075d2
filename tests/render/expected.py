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


def composite(timeline: Timeline, sources: Mapping[str, Source], n: int) -> np.ndarray:
    """RGB (float) of output frame n."""
    fill = timeline.fill_color.removeprefix("#")
    fill = "".join(c * 2 for c in fill) if len(fill) == 3 else fill
    picture = np.empty((timeline.height, timeline.width, 3))
    picture[:] = [int(fill[i : i + 2], 16) for i in (0, 2, 4)]
    for layer in timeline.layers:
        if layer.start <= n < layer.start + layer.frames:
            _blend(picture, layer, sources[layer.source], n - layer.start, timeline.frame_rate)
    return picture


def opacity(layer: Layer, at: int) -> float:
    """Opacity of the layer's frame: linear fades over `fade_in` and `fade_out` frames, 0 just outside the layer."""
    rising = min(1.0, at / layer.fade_in) if layer.fade_in else 1.0
    falling = min(1.0, (layer.frames - at) / layer.fade_out) if layer.fade_out else 1.0
    return layer.opacity * rising * falling


def _blend(picture: np.ndarray, layer: Layer, source: Source, at: int, rate: Fraction) -> None:
    index = floor((layer.trim_start + at / rate) * source.rate) if isinstance(source, Clip) else 0
    pixels = source.at(index).astype(float)
    box, (high, wide) = layer.box, pixels.shape[:2]
    across, down = box.width / wide, box.height / high
    if layer.fit != "fill":
        across = down = max(across, down) if layer.fit == "cover" else min(across, down)
    left = box.x + (box.width - wide * across) / 2
    top = box.y + (box.height - high * down) / 2
    rows, columns = np.arange(picture.shape[0]) + 0.5, np.arange(picture.shape[1]) + 0.5
    y, x = np.floor((rows - top) / down).astype(int), np.floor((columns - left) / across).astype(int)
    seen_y = (y >= 0) & (y < high) & (rows > box.y) & (rows < box.y + box.height)
    seen_x = (x >= 0) & (x < wide) & (columns > box.x) & (columns < box.x + box.width)
    patch = pixels[np.ix_(y[seen_y], x[seen_x])]
    alpha = patch[..., 3:] / 255 * opacity(layer, at)
    place = np.ix_(seen_y, seen_x)
    picture[place] = patch[..., :3] * alpha + picture[place] * (1 - alpha)


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
