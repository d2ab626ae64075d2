"""Color filters, blur and chroma key on clips and stills, against CSS's formulas in NumPy."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tests.render.conftest import Renderer, box, layer, timeline
from tests.render.footage import clip, still, to_yuv
from tests.render.test_look import look
from workflows.spec.model import ChromaKey, Filters

COLOURS = np.array(
    [[(200, 60, 50), (60, 170, 70), (50, 80, 190), (230, 230, 230)],
     [(120, 120, 120), (20, 30, 25), (240, 210, 60), (150, 70, 160)]]
)  # fmt: skip


def picture(_: int = 0, width: int = 320, height: int = 180) -> np.ndarray:
    return COLOURS.repeat(height // 2, 0).repeat(width // 4, 1).astype(np.uint8)


def css(rgb: np.ndarray, name: str, amount: float) -> np.ndarray:
    """Filter Effects Module Level 1, with BT.709's weights."""
    r, g, b = 0.2126, 0.7152, 0.0722
    if name == "brightness":
        return np.clip(rgb * amount, 0, 1)
    if name == "contrast":
        return np.clip((rgb - 0.5) * amount + 0.5, 0, 1)
    if name == "invert":
        return rgb * (1 - amount) + (1 - rgb) * amount
    grey = (rgb @ (r, g, b))[..., None]
    if name in ("saturation", "grayscale"):
        return np.clip(grey + (rgb - grey) * (amount if name == "saturation" else 1 - amount), 0, 1)
    if name == "sepia":
        brown = rgb @ np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]).T
        return np.clip(rgb * (1 - amount) + brown * amount, 0, 1)
    c, s = np.cos(np.deg2rad(amount)), np.sin(np.deg2rad(amount))
    turn = np.array([
        [0.213 + c * 0.787 - s * 0.213, 0.715 - c * 0.715 - s * 0.715, 0.072 - c * 0.072 + s * 0.928],
        [0.213 - c * 0.213 + s * 0.143, 0.715 + c * 0.285 + s * 0.140, 0.072 - c * 0.072 - s * 0.283],
        [0.213 - c * 0.213 - s * 0.787, 0.715 - c * 0.715 + s * 0.715, 0.072 + c * 0.928 + s * 0.072],
    ])  # fmt: skip
    return np.clip(rgb @ turn.T, 0, 1)


def source(tmp_path: Path, kind: str) -> Path:
    if kind == "video":
        return clip(tmp_path / "s.mp4", frames=2, picture=picture).path
    return still(tmp_path / "s.png", np.dstack([picture(), np.full((180, 320), 255, np.uint8)])).path


def patches(planes: Any) -> np.ndarray:
    """Y, U, V in the middle of each of the eight patches."""
    return np.array([
        [planes[0][45 + 90 * i, 40 + 80 * j], *(plane[22 + 45 * i, 20 + 40 * j] for plane in planes[1:])]
        for i in range(2) for j in range(4)
    ])  # fmt: skip


@pytest.mark.parametrize("kind", ["video", "image"])
@pytest.mark.parametrize(
    ("name", "amount"),
    [("brightness", 0.5), ("brightness", 1.6), ("contrast", 0.4), ("contrast", 2.0), ("saturation", 0.3),
     ("saturation", 2.0), ("grayscale", 1.0), ("grayscale", 0.5), ("sepia", 1.0), ("sepia", 0.4), ("invert", 1.0),
     ("invert", 0.3), ("hue", 90), ("hue", 200)],
)  # fmt: skip
def test_a_filter_is_csss(kind: str, name: str, amount: float, tmp_path: Path, render: Renderer) -> None:
    changed = look(filters=Filters(**{name: Fraction(amount) if name == "hue" else amount}))
    scene = timeline(layer("s", kind, look=changed, frames=1), frames=1)
    got = patches(render(scene, {"s": source(tmp_path, kind)}).planes()[0])
    wanted = np.dstack(to_yuv(css(COLOURS / 255, name, amount) * 255)).reshape(8, 3)
    assert np.abs(got - wanted).max() <= 4  # a source rounded to 8 bits, then spread


@pytest.mark.parametrize("kind", ["video", "image"])
def test_filters_are_made_in_their_order(kind: str, tmp_path: Path, render: Renderer) -> None:
    chosen = {"brightness": 1.3, "contrast": 0.8, "saturation": 1.9, "hue": 50, "sepia": 0.2, "invert": 1.0}
    every = Filters(**{name: Fraction(n) if name == "hue" else n for name, n in chosen.items()})
    half = layer("s", kind, look=look(filters=every, radii=(20, 20)), box=box(0, 0, 320, 180), opacity=0.5, frames=1)
    got = patches(render(timeline(half, frames=1, fill_color="#000000"), {"s": source(tmp_path, kind)}).planes()[0])
    mixed = COLOURS / 255
    mixed = css(css(mixed, "brightness", 1.3), "contrast", 0.8)
    weights = np.eye(3)
    for name, amount in (("saturation", 1.9), ("hue", 50), ("sepia", 0.2)):  # one matrix, clipped once
        grey = (weights @ (0.2126, 0.7152, 0.0722))[..., None]
        weights = grey + (weights - grey) * amount if name == "saturation" else unclipped(weights, name, amount)
    wanted = css(np.clip(mixed @ weights, 0, 1), "invert", 1.0)
    assert np.abs(got - np.dstack(to_yuv(wanted * 127.5)).reshape(8, 3)).max() <= 3


def unclipped(rows: np.ndarray, name: str, amount: float) -> np.ndarray:
    """A linear filter of rows of any size: scaled into the range where nothing is clipped, and back."""
    return (css(rows / 100 + 0.2, name, amount) - css(np.full((1, 3), 0.2), name, amount)) * 100


@pytest.mark.parametrize("kind", ["video", "image"])
def test_blur_is_a_gaussian_in_luma_and_in_colour(kind: str, tmp_path: Path, render: Renderer) -> None:
    scene = timeline(layer("s", kind, look=look(filters=Filters(blur=Fraction(6))), frames=1), frames=1)
    planes = render(scene, {"s": source(tmp_path, kind)}).planes()[0]
    wanted = [gaussian_filter(plane, 6, mode="nearest") for plane in to_yuv(picture())]
    assert np.abs(planes[0] - wanted[0]).max() < 5
    for got, plane in zip(planes[1:], wanted[1:], strict=True):
        assert np.abs(got - plane.reshape(90, 2, 160, 2).mean((1, 3))).max() < 5


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_key_color_is_see_through_and_those_near_it_partly(kind: str, tmp_path: Path, render: Renderer) -> None:
    key = ChromaKey(color="#3caa46", similarity=0.1, softness=0.1)  # the second patch
    scene = timeline(layer("s", kind, look=look(chroma_key=key), frames=1), frames=1, fill_color="#ffffff")
    got = patches(render(scene, {"s": source(tmp_path, kind)}).planes()[0])
    shown = np.dstack(to_yuv(COLOURS.astype(float))).reshape(8, 3)
    away = np.sqrt(((shown[:, 1:] - shown[1, 1:]) ** 2).sum(1) / (2 * 255**2))
    alpha = np.clip((away - 0.1) / 0.1, 0, 1)[:, None]
    assert alpha[1] == 0 and ((alpha > 0.05) & (alpha < 0.95)).any() and (alpha == 1).any()
    white = np.array([235, 128, 128])
    assert np.abs(got - (shown * alpha + white * (1 - alpha))).max() <= 4


def test_a_key_under_a_mask_keeps_both(tmp_path: Path, render: Renderer) -> None:
    key = ChromaKey(color="#3caa46", similarity=0.1, softness=0)
    whole = layer("s", look=look(chroma_key=key, radii=(160, 90)), frames=1)
    luma = render(timeline(whole, frames=1, fill_color="#ffffff"), {"s": source(tmp_path, "video")}).planes()[0][0]
    assert luma[2, 2] > 230 and luma[45, 120] > 230 and luma[45, 40] < 120


def test_filters_that_cannot_clip_stay_out_of_rgb(tmp_path: Path, render: Renderer) -> None:
    def graph(**chosen: float) -> str:
        scene = timeline(layer("s", look=look(filters=Filters(**chosen)), frames=1), frames=1)
        return " ".join(render(scene, {"s": source(tmp_path, "video")}).argv)

    assert "gbrp" not in graph(grayscale=1.0) and "gbrp" not in graph(brightness=0.5, invert=1.0)
    assert "gbrp" in graph(brightness=1.1)
