"""Coverage made wider by a distance, as a stroke around letters needs it: exact Euclidean distance, smooth edges."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from orchestrator_tasks.ffmpeg.raster import Coverage

_FINE = 2  # distances are measured on a grid so much finer
_LARGE = 8_000_000  # pixels from which on the grid is not made finer: memory


def widened(cover: Coverage, by: float) -> Coverage:
    """What lies within `by` pixels of what is covered at least by half."""
    fine = _FINE if cover.size < _LARGE else 1
    height, width = cover.shape
    large = np.asarray(Image.fromarray(cover).resize((width * fine, height * fine), Image.Resampling.BICUBIC))
    # The nearest seed's middle lies up to a step inside the edge, on a slant less: a quarter at the mean.
    smooth = np.clip(by * fine + 0.5 - (_distance(large >= 128, ceil(by * fine) + 1) - 0.25), 0, 1)
    share = smooth.reshape(height, fine, width, fine).mean((1, 3))
    return np.asarray(np.maximum(np.rint(share * 255), cover), np.uint8)


def _distance(seeds: NDArray[np.bool_], most: int) -> NDArray[np.float32]:
    """Distance from each pixel's middle to the nearest seed's, 0 in seeds; beyond `most` only "far"."""
    far = float(most + 2)
    down = np.minimum(_along_columns(seeds), far) ** 2
    best = down.copy()
    for step in range(1, most + 1):
        np.minimum(best[:, step:], down[:, :-step] + step * step, out=best[:, step:])
        np.minimum(best[:, :-step], down[:, step:] + step * step, out=best[:, :-step])
    return np.asarray(np.sqrt(best), np.float32)


def _along_columns(seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the nearest seed above or below."""
    rows = np.arange(seeds.shape[0], dtype=np.float32)[:, None]
    above = np.maximum.accumulate(np.where(seeds, rows, np.float32(-1e6)), axis=0)
    below = np.minimum.accumulate(np.where(seeds, rows, np.float32(1e6))[::-1], axis=0)[::-1]
    return np.minimum(rows - above, below - rows).astype(np.float32)
