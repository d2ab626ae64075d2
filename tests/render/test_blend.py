"""Blend modes of clips and stills against their formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.render.conftest import Renderer, box, layer, style, timeline
from tests.render.footage import clip, still, to_yuv
from tests.render.test_look import look
from workflows.spec.model import BLEND_MODES

BEHIND = np.array([(30, 60, 200), (210, 180, 40), (120, 200, 130), (250, 90, 110)])
FRONT = np.array([(200, 100, 60), (40, 150, 220)])


def dodge(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b == 0, 0, np.minimum(1, b / np.maximum(1 - a, 1e-9)))


def burn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b == 1, 1, 1 - np.minimum(1, (1 - b) / np.maximum(a, 1e-9)))


def hard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))


FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "normal": lambda a, b: a + 0 * b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: a + b - a * b,
    "overlay": lambda a, b: hard(b, a),
    "darken": np.minimum,
    "lighten": np.maximum,
    "color-dodge": dodge,
    "color-burn": burn,
    "hard-light": hard,
    "soft-light": lambda a, b: b * b + 2 * a * b * (1 - b),
    "difference": lambda a, b: np.abs(a - b),
    "exclusion": lambda a, b: a + b - 2 * a * b,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: b - a,
    "linear-light": lambda a, b: b + 2 * a - 1,
    "vivid-light": lambda a, b: np.where(a < 0.5, burn(2 * a, b), dodge(2 * a - 1, b)),
}


def behind(_: int = 0, width: int = 320, height: int = 180) -> np.ndarray:
    return np.tile(BEHIND.repeat(width // 4, 0), (height, 1, 1)).astype(np.uint8)


def front(_: int = 0, width: int = 320, height: int = 100) -> np.ndarray:
    return np.tile(FRONT.repeat(height // 2, 0)[:, None], (1, width, 1)).astype(np.uint8)


def test_every_mode_has_a_formula() -> None:
    assert tuple(FORMULAS) == BLEND_MODES


@pytest.mark.parametrize("kind", ["video", "image"])
@pytest.mark.parametrize("mode", FORMULAS)
def test_colours_meet_by_the_formula_while_the_layer_is_there(
    mode: str, kind: str, tmp_path: Path, render: Renderer
) -> None:
    under = clip(tmp_path / "u.mp4", frames=8, picture=behind).path
    over = (
        clip(tmp_path / "o.mp4", frames=8, size=(320, 100), picture=front).path
        if kind == "video"
        else still(tmp_path / "o.png", np.dstack([front(), np.full((100, 320), 255, np.uint8)])).path
    )
    mixed = layer("o", kind, start=3, frames=4, box=box(0, 40, 320, 100), look=look(blend_mode=mode), opacity=0.75)
    frames = render(timeline(layer("u"), mixed), {"u": under, "o": over}).planes()
    a, b = FRONT[:, None] / 255, BEHIND[None] / 255
    wanted = np.dstack(to_yuv((np.clip(FORMULAS[mode](a, b), 0, 1) * 0.75 + b * 0.25) * 255))
    plain = np.dstack(to_yuv(BEHIND[None].astype(float)))[0]
    for n, planes in enumerate(frames):
        rows = [10, 65, 115, 170]
        got = np.array([
            [[planes[0][y, x], *(plane[y // 2, x // 2] for plane in planes[1:])] for x in (40, 120, 200, 280)]
            for y in rows
        ])  # fmt: skip
        inside = wanted if 3 <= n < 7 else np.stack([plain, plain])
        assert np.abs(got[1:3] - inside).max() <= 7, f"frame {n}"  # some modes divide, and spread the rounding
        assert np.abs(got[[0, 3]] - plain).max() <= 2, f"frame {n}"


def test_shapes_and_texts_blend_through_their_alpha_and_fade(render: Renderer) -> None:
    shape = layer(
        None, "shape", box=box(20, 20, 160, 100), fit="fill", fill_color="#ff0000", fade_in=4,
        look=look(blend_mode="difference", radii=(40, 40)),
    )  # fmt: skip
    words = layer(None, "text", text=style("ink", fill_color="#ffffff"), box=box(200, 40, 100, 60),
                  look=look(blend_mode="difference"))  # fmt: skip
    frames = render(timeline(shape, words, fill_color="#ffffff"), {}).planes()
    cyan, white = to_yuv(np.array([[[0, 255, 255]]]))[0], 235
    for n, share in enumerate([0, 0.25, 0.5, 0.75, 1, 1]):
        luma = frames[n][0]
        assert abs(luma[70, 100] - (white + (cyan - white) * share)).max() <= 3
        assert abs(luma[22, 22] - white) <= 2 and abs(luma[150, 100] - white) <= 2
        assert luma[40:100, 200:].min() < 40


def test_a_blend_on_a_blend(render: Renderer) -> None:
    twice = [
        layer(None, "shape", box=box(0, 0, 160, 100), fit="fill", fill_color="#808080", start=n, frames=6,
              look=look(blend_mode="multiply"))
        for n in (0, 2)
    ]  # fmt: skip
    frames = render(timeline(*twice, fill_color="#ffffff"), {}).planes()
    half = 128 / 255
    for n, planes in enumerate(frames):
        factor = half ** sum(start <= n < start + 6 for start in (0, 2))
        assert abs(planes[0][50, 80] - (16 + 219 * factor)) <= 3, f"frame {n}"
