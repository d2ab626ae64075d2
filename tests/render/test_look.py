"""Crop, fit, rounded corners and turning: frames of real renders against pictures NumPy computes from the rules."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tests.render.conftest import Renderer, box, layer, style, timeline
from tests.render.expected import composite, worst_difference
from tests.render.footage import clip, number_picture, quarters, still, to_yuv
from tests.render.test_picture import TOLERANCE, patches
from workflows.spec.look import CropShares, Look
from workflows.spec.timeline import Timeline


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tmp_path = tmp_path_factory.mktemp("sources")
    return {
        "wide": clip(tmp_path / "wide.mp4", picture=quarters, frames=20),
        "numbers": clip(tmp_path / "numbers.mp4", picture=number_picture, frames=20),
        "tall": clip(tmp_path / "tall.mp4", picture=quarters, size=(120, 160), frames=20),
        "photo": still(tmp_path / "photo.png", patches(200, 100, (250, 250, 250, 255), (10, 90, 200, 255))),
        "logo": still(tmp_path / "logo.png", patches(96, 64, (220, 40, 60, 255), (30, 200, 90, 128))),
    }


def look(**changes: Any) -> Look:
    if "radii" in changes:
        changes["radii"] = tuple(map(Fraction, changes["radii"]))
    return Look(**({"rotation": Fraction(0)} | changes))


def part(x: str, y: str, width: str, height: str) -> CropShares:
    return CropShares(x=Fraction(x), y=Fraction(y), width=Fraction(width), height=Fraction(height))


MIDDLE = box(80, 40, 160, 100)
TURNED = look(rotation=Fraction(30))
ROUND = look(radii=(50, 30))
BOTH = look(radii=(24, 24), rotation=Fraction(-20) % 360)
SCENES: dict[str, Timeline] = {
    "a part of a video": timeline(
        layer("wide", look=look(crop=part("1/4", "1/2", "1/2", "1/2"))),
        layer("wide", box=box(20, 20, 120, 100), look=look(crop=part("1/8", "1/10", "1/2", "4/5"))),
    ),
    "a part of an image": timeline(
        layer("photo", "image", box=box(40, 40, 160, 80), fit="fill", look=look(crop=part("1/4", "0", "3/4", "1"))),
        layer("photo", "image", box=box(220, 20, 80, 80), look=look(crop=part("3/10", "1/5", "1/2", "3/5"))),
    ),
    "a source in its own size": timeline(
        layer("tall", box=box(20, 0, 100, 180), fit="none"),
        layer("photo", "image", box=box(140, 60, 160, 120), fit="none"),
    ),
    "rounded corners": timeline(
        layer("wide", box=MIDDLE, look=ROUND), layer("photo", "image", box=box(0, 90, 120, 80), look=ROUND)
    ),
    "an ellipse": timeline(layer("wide", box=MIDDLE, look=look(radii=(80, 50)))),
    "rounded corners off the canvas": timeline(
        layer("wide", box=box(-40, -20, 160, 100), look=ROUND),
        layer("photo", "image", box=box(240, 120, 160, 100), look=ROUND),
    ),
    "rounded corners of a box that is not filled": timeline(layer("tall", box=MIDDLE, fit="contain", look=ROUND)),
    "a turned video": timeline(layer("wide", box=MIDDLE, look=TURNED)),
    "a turned video over another": timeline(layer("numbers"), layer("wide", box=MIDDLE, look=TURNED, opacity=0.6)),
    "a turned image": timeline(layer("photo", "image", box=MIDDLE, look=TURNED, opacity=0.6)),
    "turned by quarters": timeline(
        layer("wide", box=box(0, 0, 160, 100), look=look(rotation=Fraction(90))),
        layer("photo", "image", box=box(170, 30, 140, 90), look=look(rotation=Fraction(270))),
    ),
    "upside down": timeline(
        layer("wide", look=look(rotation=Fraction(180))),
        layer("logo", "image", box=box(60, 60, 96, 64), look=look(rotation=Fraction(180))),
    ),
    "turned off the canvas": timeline(
        layer("wide", box=box(-80, -50, 200, 130), look=TURNED),
        layer("photo", "image", box=box(220, 100, 160, 120), look=TURNED),
    ),
    "a box beside the canvas that turns into it": timeline(
        layer("wide", box=box(-230, 60, 220, 60), look=look(rotation=Fraction(45)), frames=2),
        layer("wide", box=box(60, -90, 200, 80), look=look(rotation=Fraction(90)), frames=2),
        frames=2,
    ),
    "turned, rounded, contained": timeline(
        layer("tall", box=box(40, 20, 200, 140), fit="contain", look=BOTH),
        layer("photo", "image", box=box(180, 40, 130, 110), fit="contain", look=BOTH),
    ),
    "shapes": timeline(
        layer(None, "shape", box=box(20, 20, 120, 80), fit="fill", fill_color="#e03020"),
        layer(None, "shape", box=box(100, 60, 140, 100), fit="fill", fill_color="#20c06080", look=ROUND),
        layer(None, "shape", box=box(230, -20, 120, 120), fit="fill", fill_color="#f0f0f0", look=look(radii=(60, 60))),
        layer(None, "shape", box=box(20, 120, 120, 40), fit="fill", fill_color="#4060ff", look=BOTH, opacity=0.7),
    ),
    "a shape that hides all": timeline(
        layer("wide"), layer(None, "shape", fit="fill", fill_color="#808000", start=2, frames=4)
    ),
    "all at once, fading": timeline(
        layer("numbers"),
        layer("wide", box=MIDDLE, look=look(radii=(24, 24), rotation=Fraction(10), crop=part("0", "0", "3/4", "1")),
              start=1, frames=8, fade_in=4, fade_out=3, opacity=0.8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_every_frame_is_as_the_rules_say(name: str, sources: dict[str, Any], render: Renderer) -> None:
    scene = SCENES[name]
    frames = render(scene, {url: sources[url].path for url in scene.sources}).planes()
    assert len(frames) == scene.frames
    for n, planes in enumerate(frames):
        assert worst_difference(planes, composite(scene, sources, n)) <= TOLERANCE, f"frame {n}"


@pytest.mark.parametrize("kind", ["video", "image"])
@pytest.mark.parametrize("changed", [ROUND, TURNED, BOTH], ids=["rounded", "turned", "both"])
def test_edges_are_smooth_and_lie_where_they_should(kind: str, changed: Look, tmp_path: Path, render: Renderer) -> None:
    """White on black: the luma of every pixel against the share of it that is covered, counted in 8 x 8 points."""
    white = np.full((100, 160, 4), 255, np.uint8)
    path = (
        still(tmp_path / "w.png", white).path
        if kind == "image"
        else clip(tmp_path / "w.mp4", frames=2, size=(160, 100), picture=lambda n, w, h: white[:h, :w, :3]).path
    )
    scene = timeline(layer("w", kind, box=MIDDLE, look=changed, frames=1), frames=1, fill_color="#000000")
    luma = render(scene, {"w": path}).planes()[0][0]
    many = np.zeros((180 * 8, 320 * 8, 3))
    large = timeline(
        layer(
            "w", "image", box=box(640, 320, 1280, 800), frames=1,
            look=look(radii=tuple(8 * r for r in changed.radii), rotation=changed.rotation),
        ),
        width=2560, height=1440, frames=1, fill_color="#000000",
    )  # fmt: skip
    many = composite(large, {"w": still(tmp_path / "w.png", white)}, 0)[..., 0]
    covered = many.reshape(180, 8, 320, 8).mean((1, 3)) / 255
    difference = np.abs((luma - 16) / 219 - covered)
    assert difference.mean() < 0.002 and difference.max() < 0.3
    assert abs(((luma - 16) / 219).sum() - covered.sum()) < 0.003 * covered.sum()


@pytest.mark.parametrize("kind", ["video", "image"])
def test_blur_pad_shows_all_of_the_picture_over_itself_blurred(kind: str, tmp_path: Path, render: Renderer) -> None:
    picture = quarters(0, 160, 180)
    path = (
        still(tmp_path / "s.png", np.dstack([picture, np.full((180, 160), 255, np.uint8)])).path
        if kind == "image"
        else clip(tmp_path / "s.mp4", frames=2, size=(160, 180), picture=quarters).path
    )
    scene = timeline(layer("s", kind, fit="blur-pad", frames=1), frames=1)
    luma, blue, _ = render(scene, {"s": path}).planes()[0]
    # Covered: 320 wide, 360 high, the middle 180 rows; blurred by 4 % of 180.
    rows, columns = (np.arange(180) + 90) // 2, np.arange(320) // 2
    wanted = gaussian_filter(to_yuv(picture[np.ix_(rows, columns)])[0], 7.2, mode="nearest")
    side = luma[:, :80]  # beside the contained picture, which is 160 wide
    assert np.abs(side - wanted[:, :80]).max() < 5
    inner = to_yuv(picture[10:80, 10:70])
    assert abs(luma[10:80, 90:150].mean() - inner[0].mean()) < 2 and np.ptp(luma[10:80, 90:150]) <= 3
    assert abs(blue[6:38, 46:74].mean() - inner[1].mean()) < 2


def test_a_text_turns_about_its_own_middle(render: Renderer) -> None:
    def ink(rotation: int) -> tuple[float, float, float, float]:
        words = layer(
            None, "text", text=style("turning words", font_size=Fraction(24)), box=box(40, 76, 280, 104), frames=1,
            look=look(rotation=Fraction(rotation)),
        )  # fmt: skip
        luma = render(timeline(words, frames=1, fill_color="#000000"), {}).planes()[0][0]
        y, x = np.nonzero(luma > 60)
        return (x.min() + x.max()) / 2, (y.min() + y.max()) / 2, float(np.ptp(x)), float(np.ptp(y))

    plain, quarter, half = ink(0), ink(90), ink(180)
    assert plain[2] > 5 * plain[3]
    assert abs(quarter[2] - plain[3]) <= 2 and abs(quarter[3] - plain[2]) <= 2
    assert max(abs(quarter[i] - plain[i]) + abs(half[i] - plain[i]) for i in (0, 1)) <= 3
