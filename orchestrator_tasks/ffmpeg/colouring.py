"""Color filters, blur and chroma key: the same rules for stills (NumPy) and for clips (FFmpeg filters).

On values from 0 to 1: brightness multiplies; contrast spreads around the middle; both are clipped. Then one matrix
turns and weighs the colors (saturation, hue, grayscale, sepia, each CSS's own matrix), clipped once; then invert.
"""

from __future__ import annotations

from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from orchestrator_tasks.ffmpeg import colour
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.spec.model import UNFILTERED, ChromaKey, Filters

Matrix = NDArray[np.float64]
# Filter Effects Module Level 1: the weights of red, green and blue in what is seen as bright (BT.709's).
_LUMA = np.array([[0.2126, 0.7152, 0.0722]] * 3)
_TURN = np.array([[-0.2126, -0.7152, 0.9278], [0.143, 0.14, -0.283], [-0.7874, 0.7152, 0.0722]])
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
_LARGEST = 2.0  # of a weight in FFmpeg's colorchannelmixer


def matrix(filters: Filters) -> Matrix:
    """What the filters that mix colors do, as one matrix for red, green and blue."""
    whole = np.eye(3)
    angle = radians(float(filters.hue))
    saturated = _LUMA + (whole - _LUMA) * filters.saturation
    turned = _LUMA + (whole - _LUMA) * cos(angle) + _TURN * sin(angle)
    grey = _LUMA + (whole - _LUMA) * (1 - filters.grayscale)
    sepia = _SEPIA * filters.sepia + whole * (1 - filters.sepia)
    return np.asarray(sepia @ grey @ turned @ saturated)


def coloured(pixels: Pixels, filters: Filters) -> Pixels:
    """A still with the filters."""
    if filters == UNFILTERED:
        return pixels
    rgb = np.clip(pixels[..., :3] * (filters.brightness / 255), 0, 1)
    rgb = np.clip((rgb - 0.5) * filters.contrast + 0.5, 0, 1)
    rgb = np.clip(rgb @ matrix(filters).T, 0, 1)
    rgb = rgb * (1 - 2 * filters.invert) + filters.invert
    done = np.dstack([np.rint(rgb * 255).astype(np.uint8), pixels[..., 3]])
    return _blurred_still(done, float(filters.blur)) if filters.blur else done


def _blurred_still(pixels: Pixels, sigma: float) -> Pixels:
    premultiplied = Image.fromarray(pixels, "RGBA").convert("RGBa")
    return np.array(premultiplied.filter(ImageFilter.GaussianBlur(sigma)).convert("RGBA"))


def filtered(stream: Any, filters: Filters, pix_fmt: str) -> Any:
    """A clip of BT.709 pictures in `pix_fmt` with the filters, in the same."""
    stream = _in_yuv(stream, filters) if _within_range(filters) else _in_rgb(stream, filters, pix_fmt)
    return blurred(stream, float(filters.blur)) if filters.blur else stream


def blurred(stream: Any, sigma: float) -> Any:
    """Blurred by a Gaussian; 4:2:0 has half the pixels of color, so half the deviation."""
    for planes, deviation in ((0b1001, sigma), (0b0110, sigma / 2)):
        stream = stream.filter("gblur", sigma=f"{deviation:.4f}", steps=3, planes=planes)
    return stream


def _within_range(filters: Filters) -> bool:
    """Whether nothing can be clipped and no color turns into another: such filters are lines in Y, U and V."""
    most = max(filters.brightness, filters.contrast, filters.saturation)
    return most <= 1 and not filters.hue and not filters.sepia


def _in_yuv(stream: Any, filters: Filters) -> Any:
    turned = 1 - 2 * filters.invert
    gain = filters.brightness * filters.contrast * turned
    offset = (1 - filters.contrast) / 2 * turned + filters.invert
    chroma = gain * filters.saturation * (1 - filters.grayscale)
    if (gain, offset, chroma) == (1, 0, 1):
        return stream
    color = f"128+(val-128)*{chroma:.6f}"
    return stream.filter("lutyuv", y=f"16+(val-16)*{gain:.6f}+{219 * offset:.6f}", u=color, v=color)


def _in_rgb(stream: Any, filters: Filters, pix_fmt: str) -> Any:
    stream = stream.filter("format", pix_fmts="gbrap" if pix_fmt.startswith("yuva") else "gbrp")
    if (filters.brightness, filters.contrast) != (1, 1):
        bright = f"clip(val*{filters.brightness:.6f},0,255)"
        stream = _curve(stream, f"clip(({bright}-127.5)*{filters.contrast:.6f}+127.5,0,255)")
    stream = _mixed(stream, matrix(filters))
    if filters.invert:
        stream = _curve(stream, f"val*{1 - 2 * filters.invert:.6f}+{255 * filters.invert:.6f}")
    return stream.filter("format", pix_fmts=pix_fmt, **colour.OUTPUT)


def _curve(stream: Any, expression: str) -> Any:
    return stream.filter("lutrgb", r=expression, g=expression, b=expression)


def _mixed(stream: Any, weights: Matrix) -> Any:
    if np.allclose(weights, np.eye(3), atol=1e-9):
        return stream
    # Weights too large for the filter: half of them, and twice the result, which clips at the same values.
    scale = 1 if np.abs(weights).max() <= _LARGEST else 2
    named = {f"{to}{of}": f"{weights[i, j] / scale:.6f}" for i, to in enumerate("rgb") for j, of in enumerate("rgb")}
    stream = stream.filter("colorchannelmixer", **named)
    return stream if scale == 1 else _curve(stream, f"clip(val*{scale},0,255)")


def keyed(stream: Any, key: ChromaKey) -> Any:
    """A clip of BT.709 pictures with the color, and what is near it, see-through."""
    # FFmpeg converts colors by BT.601; so it is given the color as it is in the picture.
    y, u, v = _to_yuv(key.color)
    color = f"0x{round(y):02x}{round(u):02x}{round(v):02x}"
    options = {"similarity": f"{max(key.similarity, 0.00001):.6f}", "blend": f"{key.softness:.6f}", "yuv": 1}
    return stream.filter("chromakey", color=color, **options)


def keyed_still(pixels: Pixels, key: ChromaKey) -> Pixels:
    """A still with the color, and what is near it, see-through."""
    red, green, blue = (pixels[..., i].astype(np.float32) for i in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    _, u, v = _to_yuv(key.color)
    across = 128 + 224 / 255 * (blue - luma) / 1.8556 - u
    down = 128 + 224 / 255 * (red - luma) / 1.5748 - v
    beyond = np.sqrt((across**2 + down**2) / (2 * 255**2)) - key.similarity
    share = np.clip(beyond / key.softness, 0, 1) if key.softness > 1e-4 else (beyond > 0).astype(np.float32)
    alpha = np.rint(pixels[..., 3] * share).astype(np.uint8)
    return np.dstack([pixels[..., :3], alpha])


def _to_yuv(color: str) -> tuple[float, float, float]:
    """The color in BT.709, limited range."""
    red, green, blue, _ = colour.parse(color)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    across, down = 224 / 255 * (blue - luma) / 1.8556, 224 / 255 * (red - luma) / 1.5748
    return 16 + 219 / 255 * luma, 128 + across, 128 + down
