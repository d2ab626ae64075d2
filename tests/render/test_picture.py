"""Frames of real renders against pictures NumPy computes from the scene's rules."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator_tasks.ffmpeg.graph import PASSES
from tests.render.conftest import Renderer, box, layer, timeline
from tests.render.expected import composite, worst_difference
from tests.render.footage import clip, number_picture, quarters, still
from workflows.spec.timeline import Timeline

TOLERANCE = 3.0  # 8-bit steps: 8-bit blending and colour conversion round


def patches(width: int, height: int, *colours: tuple[int, int, int, int]) -> np.ndarray:
    """Upright flat stripes of RGBA colours."""
    pixels = np.empty((height, width, 4), np.uint8)
    for i, colour in enumerate(colours):
        pixels[:, i * width // len(colours) : (i + 1) * width // len(colours)] = colour
    return pixels


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tmp_path = tmp_path_factory.mktemp("sources")
    return {
        "wide": clip(tmp_path / "wide.mp4", picture=quarters, frames=20),
        "numbers": clip(tmp_path / "numbers.mp4", picture=number_picture, frames=40),
        "tall": clip(tmp_path / "tall.mp4", picture=quarters, size=(120, 160), frames=20),
        "short": clip(tmp_path / "short.mp4", picture=number_picture, frames=4),
        "logo": still(tmp_path / "logo.png", patches(96, 64, (220, 40, 60, 255), (30, 200, 90, 128), (0, 0, 0, 0))),
        "veil": still(tmp_path / "veil.png", patches(320, 180, (220, 40, 60, 255), (30, 200, 90, 128), (0, 0, 0, 0))),
        "photo": still(tmp_path / "photo.png", patches(200, 100, (250, 250, 250, 255), (10, 90, 200, 255))),
    }


SCENES: dict[str, Timeline] = {
    "one video fills the canvas": timeline(layer("wide")),
    "higher layers are in front": timeline(
        layer("wide"),
        layer("numbers", box=box(100, 40, 160, 90)),
        layer("logo", "image", box=box(140, 20, 96, 64)),
    ),
    "cover cuts what sticks out": timeline(layer("tall", box=box(20, 20, 240, 120), fit="cover")),
    "contain leaves the rest of the box see-through": timeline(
        layer("photo", "image"), layer("tall", box=box(20, 20, 240, 120), fit="contain")
    ),
    "fill stretches": timeline(layer("tall", box=box(20, 20, 240, 120), fit="fill")),
    "images are fitted alike": timeline(
        layer("photo", "image", box=box(0, 0, 120, 160), fit="cover"),
        layer("photo", "image", box=box(140, 0, 120, 160), fit="contain"),
    ),
    "opacity of a video and of an image": timeline(
        layer("wide", opacity=0.5), layer("photo", "image", box=box(60, 40, 200, 100), opacity=0.3)
    ),
    "boxes may leave the canvas": timeline(
        layer("wide", box=box(-100, -60, 320, 180)),
        layer("photo", "image", box=box(220, 100, 200, 100)),
        layer("numbers", box=box(-30, 120, 160, 90)),
        layer("logo", "image", box=box(400, 0, 96, 64)),
    ),
    "a layer has its own time": timeline(
        layer("wide", start=3, frames=4), layer("logo", "image", start=5, frames=2, box=box(10, 10, 96, 64))
    ),
    "layers may begin before and end after": timeline(
        layer("numbers", start=-3, frames=8), layer("photo", "image", start=6, frames=99, box=box(0, 0, 200, 100))
    ),
    "a layer that began before the timeline lies behind others": timeline(
        layer("numbers", start=-5, frames=15), layer("photo", "image", start=2, frames=3, box=box(0, 0, 200, 100))
    ),
    "fades of a video over another": timeline(
        layer("wide"), layer("numbers", start=1, frames=8, fade_in=4, fade_out=3, box=box(40, 20, 160, 120))
    ),
    "fades of an image, held between": timeline(
        layer("wide"), layer("photo", "image", start=1, frames=9, fade_in=3, fade_out=3, box=box(40, 20, 200, 100))
    ),
    "fades that meet": timeline(
        layer("wide"), layer("photo", "image", frames=6, fade_in=4, fade_out=4, box=box(40, 20, 200, 100))
    ),
    "fades of an image that begins before the timeline": timeline(
        layer("photo", "image", start=-2, frames=14, fade_in=6, fade_out=4)
    ),
    "a video that fades over black": timeline(layer("wide", fade_in=4, fade_out=4), fill_color="#000"),
    "a video that fades over a colour": timeline(layer("wide", fade_in=4, fade_out=4), fill_color="#a05010"),
    "a short source holds its last frame": timeline(
        layer("short"), layer("short", start=2, frames=8, box=box(80, 40, 160, 90))
    ),
    "a short source still fades out": timeline(layer("wide"), layer("short", fade_out=4, box=box(80, 40, 160, 90))),
    "trim_start goes into the source": timeline(layer("numbers", trim_start=Fraction(17, 30))),
    "clips after one another": timeline(
        layer("wide", frames=3),
        layer("numbers", start=3, frames=3, trim_start=Fraction(1, 3)),
        layer("photo", "image", start=8, frames=2),
    ),
    "an opaque clip hides what is behind it": timeline(
        layer("wide"), layer("photo", "image", box=box(10, 10, 200, 100)), layer("numbers", start=3, frames=4)
    ),
    "the same source twice": timeline(
        layer("numbers"), layer("numbers", start=4, frames=6, box=box(80, 40, 160, 120), opacity=0.8)
    ),
    "nothing but the fill colour": timeline(),
    "a picture with see-through parts over the whole canvas": timeline(layer("wide"), layer("veil", "image")),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_every_frame_is_as_the_rules_say(name: str, sources: dict[str, Any], render: Renderer) -> None:
    scene = SCENES[name]
    frames = render(scene, {url: sources[url].path for url in scene.sources}).planes()
    assert len(frames) == scene.frames
    for n, planes in enumerate(frames):
        assert worst_difference(planes, composite(scene, sources, n)) <= TOLERANCE, f"frame {n}"


@pytest.mark.parametrize("off", [name for name in PASSES if name not in ("cut_to_timeline", "drop_unseen")])
@pytest.mark.parametrize(
    "name", ["an opaque clip hides what is behind it", "clips after one another", "a video that fades over black"]
)
def test_a_pass_changes_the_cost_and_not_the_picture(
    name: str, off: str, sources: dict[str, Any], render: Renderer
) -> None:
    scene = SCENES[name]
    files = {url: sources[url].path for url in scene.sources}
    with_it, without_it = render(scene, files), render(scene, files, without=[off])
    for one, other in zip(with_it.planes(), without_it.planes(), strict=True):
        assert max(np.abs(a - b).max() for a, b in zip(one, other, strict=True)) <= 2


def test_edges_of_a_coloured_logo_keep_their_colour(render: Renderer, tmp_path: Path) -> None:
    """4:2:0 shares colour between 2 x 2 pixels: see-through neighbours must not grey the edge."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 31:] = (230, 20, 20, 255)  # the edge lies inside a 2 x 2 block
    logo = still(tmp_path / "logo.png", pixels)
    scene = timeline(layer("logo", "image", box=box(0, 0, 64, 64)), fill_color="#e61414")
    luma, blue, red = render(scene, {"logo": logo.path}).planes()[0]
    assert np.ptp(luma) <= 2 and np.ptp(blue) <= 2 and np.ptp(red) <= 2
