"""Slices of a timeline, one after another, are the timeline: compared on the raw frames and samples of the graph."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.probe import probe
from tests.render.conftest import PLAIN, box, layer, sound, style, timeline
from tests.render.footage import clip, quarters, sha256, still, wav
from workflows.settings import Settings
from workflows.spec.media import MediaInfo
from workflows.spec.slices import slice_timeline
from workflows.spec.timeline import Layer, Timeline

WIDTH, HEIGHT = 96, 64
RATES = (Fraction(24), Fraction(25), Fraction(30), Fraction(30000, 1001))
FRAMES = 24


@dataclass(kw_only=True)
class Bench:
    """Sources, and a place to render them."""

    folder: Path
    files: Mapping[str, Path]
    media: Mapping[str, MediaInfo]
    count: itertools.count[int]

    def raw(self, scene: Timeline, without: Sequence[str] = ()) -> tuple[list[str], np.ndarray, np.ndarray]:
        """MD5 of every frame, the frames' samples, and the sound's (n x 2): from the graph, past no encoder."""
        work = self.folder / f"run-{next(self.count)}"
        work.mkdir()
        command = compile_timeline(scene, self.media, self.files, PLAIN, work, out=work / "out.mp4", without=without)
        at = command.argv.index("-map")
        maps = [value for flag, value in itertools.pairwise(command.argv) if flag == "-map"]
        argv = [*command.argv[:at], "-map", maps[0], "-f", "rawvideo", "-fps_mode", "passthrough", f"{work}/out.yuv"]
        if len(maps) > 1:
            argv += ["-map", maps[1], "-f", "f32le", f"{work}/out.f32"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        frames = np.fromfile(work / "out.yuv", np.uint8).reshape(-1, WIDTH * HEIGHT * 3 // 2)
        heard = np.fromfile(work / "out.f32", np.float32) if len(maps) > 1 else np.zeros(0, np.float32)
        return [hashlib.md5(frame.tobytes()).hexdigest() for frame in frames], frames, heard.reshape(-1, 2)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("slices")
    files = {
        f"{name}.mp4": clip(
            folder / f"{name}.mp4", rate=rate, frames=20, size=(WIDTH, HEIGHT), gop=7, picture=quarters
        ).path
        for name, rate in (("24", 24), ("30", 30), ("ntsc", Fraction(30000, 1001)))
    }
    pixels = np.zeros((30, 40, 4), np.uint8)
    pixels[..., :] = (250, 120, 10, 255)
    pixels[:8, :8, 3] = 90
    files["logo"] = still(folder / "logo.png", pixels).path
    files["solid"] = still(folder / "solid.png", np.full((HEIGHT, WIDTH, 4), 255, np.uint8)).path
    wav(folder / "noise.wav", 0.3 * np.random.default_rng(3).uniform(-1, 1, (48000, 2)))
    files["noise"] = folder / "noise.wav"
    home = Settings(data_dir=str(folder / "home"))
    media = {name: probe(path, sha256(path), settings=home) for name, path in files.items()}
    return Bench(folder=folder, files=files, media=media, count=itertools.count())


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    kind, source = draw(
        st.sampled_from([("video", "24.mp4"), ("video", "30.mp4"), ("video", "ntsc.mp4")])
        | st.sampled_from([("image", "logo"), ("image", "solid"), ("text", None)])
    )
    start = draw(st.integers(0, FRAMES - 2))
    frames = draw(st.integers(1, FRAMES))
    place = (
        box(0, 0, WIDTH, HEIGHT)
        if draw(st.booleans())
        else box(*draw(st.sampled_from(((8, 4, 50, 40), (60, 30, 60, 50)))))
    )
    changes: dict[str, Any] = {
        "start": start, "frames": frames, "box": place,
        "fit": draw(st.sampled_from(["cover", "contain", "fill"])),
        "opacity": draw(st.sampled_from([1.0, 1.0, 0.6])),
        "fade_in": draw(st.sampled_from([0, 0, 3, 7, 40])), "fade_out": draw(st.sampled_from([0, 0, 2, 9])),
        "text": style("Hé", font_size=Fraction(20)) if kind == "text" else None,
    }  # fmt: skip
    if kind == "video":
        changes["trim_start"] = draw(
            st.sampled_from([Fraction(0), Fraction(1, 10), Fraction("0.0667"), Fraction(1, 2)])
        )
    changes["fade_in"], changes["fade_out"] = (min(frames, changes[name]) for name in ("fade_in", "fade_out"))
    return layer(source, kind, **changes)


@st.composite
def scenes(draw: st.DrawFn) -> Timeline:
    found = draw(st.lists(layers(), min_size=1, max_size=4))
    named = tuple(replace(each, element_id=f"e{index}") for index, each in enumerate(found))
    fill = draw(st.sampled_from(["#000000", "#204060"]))
    return timeline(*named, width=WIDTH, height=HEIGHT, frames=FRAMES, fill_color=fill)


def cut(scene: Timeline, edges: Sequence[int]) -> list[Timeline]:
    return [slice_timeline(scene, first, last - first) for first, last in itertools.pairwise([0, *edges, scene.frames])]


CUTS = st.sets(st.integers(1, FRAMES - 1), min_size=1, max_size=2).map(sorted)
FADED = timeline(
    layer("24.mp4", start=0, frames=24, box=box(8, 4, 50, 40), fade_in=9, fade_out=9),
    layer("logo", "image", start=2, frames=20, box=box(60, 30, 60, 50), fade_in=7, fade_out=9),
    layer(None, "text", start=0, frames=40, text=style("Hi"), fade_out=30),
    layer("30.mp4", start=5, frames=60, box=box(0, 0, 40, 30), trim_start=Fraction(1, 2)),
    width=WIDTH, height=HEIGHT, frames=FRAMES,
)  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=str)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@example(scene=FADED, edges=[4, 5, 15])
@given(scene=scenes(), edges=CUTS)
def test_the_frames_of_the_slices_are_the_frames_of_the_whole(
    rate: Fraction, bench: Bench, scene: Timeline, edges: list[int]
) -> None:
    scene = replace(scene, frame_rate=rate)
    whole, pixels, _ = bench.raw(scene, without=("fill_back",))
    parts = [bench.raw(part, without=("fill_back",)) for part in cut(scene, edges)]
    joined = [frame for part in parts for frame in part[0]]
    assert len(whole) == len(joined) == FRAMES
    apart = np.abs(np.concatenate([part[1] for part in parts]).astype(int) - pixels).max(1)
    assert {n: int(apart[n]) for n in range(FRAMES) if joined[n] != whole[n]} == {}


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@example(scene=FADED, edges=[4, 5, 15])
@given(scene=scenes(), edges=CUTS)
def test_a_slice_may_be_made_more_cheaply_but_looks_the_same(bench: Bench, scene: Timeline, edges: list[int]) -> None:
    """A layer may be the back of a slice and not of the whole: blending and fading then round differently."""
    _, whole, _ = bench.raw(scene)
    parts = [bench.raw(part)[1] for part in cut(scene, edges)]
    assert np.abs(np.concatenate(parts).astype(int) - whole).max() <= 3


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_the_sound_of_the_slices_is_the_sound_of_the_whole(rate: int, bench: Bench) -> None:
    sounds = (
        sound("noise", start=Fraction(2, rate), duration=Fraction(16, rate), fade_in=Fraction(9, rate), volume=0.7),
        sound("noise", start=Fraction(0), duration=Fraction(20, rate), fade_out=Fraction(12, rate)),
        sound("noise", start=Fraction(7, rate), duration=Fraction(4, rate), trim_start=Fraction(1, 10)),
        sound("noise", start=Fraction(1, rate), duration=Fraction(18, rate), speed=Fraction(3, 2), volume=0.5),
        sound("noise", start=Fraction(3, rate), duration=Fraction(17, rate), loop=Fraction(5, rate), volume=0.5),
    )
    scene = timeline(width=WIDTH, height=HEIGHT, frames=FRAMES, frame_rate=Fraction(rate), sounds=sounds)
    _, _, whole = bench.raw(scene)
    parts = [bench.raw(part)[2] for part in cut(scene, [5, 6, 15])]
    assert [len(part) for part in parts] == [48000 * n // rate for n in (5, 1, 9, 9)]
    assert np.abs(whole).max() > 0.2
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-6
