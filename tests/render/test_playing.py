"""Speed, loops, trims and what follows a source that is over: the frames on screen, counted; the sound, measured."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest

from orchestrator_tasks.ffmpeg import picture
from tests.render.conftest import Renderer, box, layer, sound, timeline
from tests.render.footage import Clip, clip, read_number, wav
from tests.render.test_audio import heard, uncompressed

NTSC = Fraction(30000, 1001)
SMALL = {"width": 160, "height": 90, "box": box(0, 0, 160, 90)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    rates = {"25.mp4": Fraction(25), "30.mp4": Fraction(30), "ntsc.mkv": NTSC}
    return {name: clip(folder / name, rate=rate, frames=100, gop=25, size=(160, 90)) for name, rate in rates.items()}


def seen(render: Renderer, source: Clip, name: str, frames: int, **changes: object) -> list[int]:
    shown = layer(name, frames=frames, box=box(0, 0, 160, 90), **changes)
    scene = timeline(shown, width=160, height=90, frames=frames)
    return [read_number(luma) for luma, _, _ in render(scene, {name: source.path}).planes()]


def at(source: Clip, seconds: Fraction) -> int:
    """The number of the frame on screen then; one counts as there up to 1.25 ms early."""
    return min(floor((seconds + Fraction("0.00125")) * source.rate), source.frames - 1)


@pytest.mark.parametrize("name", ["25.mp4", "30.mp4", "ntsc.mkv"])
@pytest.mark.parametrize(
    ("speed", "trim"), [("2", "0"), ("1/2", "1"), ("7/10", "0.04"), ("5/2", "0.5"), ("1/10", "3.2")]
)
def test_output_frame_n_shows_the_source_at_trim_start_plus_n_times_the_speed(
    name: str, speed: str, trim: str, clips: dict[str, Clip], render: Renderer
) -> None:
    source, factor = clips[name], Fraction(speed)
    got = seen(render, source, name, 24, speed=factor, trim_start=Fraction(trim))
    assert got == [at(source, Fraction(trim) + Fraction(n, 30) * factor) for n in range(24)]


@pytest.mark.parametrize("kept", [True, False], ids=["kept in memory", "read again"])
@pytest.mark.parametrize("name", ["25.mp4", "30.mp4", "ntsc.mkv"])
@pytest.mark.parametrize(
    ("trim", "lasts", "speed"), [("0", 120, "1"), ("1", 7, "1"), ("0.52", 10, "3/2"), ("3", 9, "1/2")]
)
def test_a_loop_begins_again_at_trim_start_after_as_many_frames_as_it_lasts(
    *, kept: bool, name: str, trim: str, lasts: int, speed: str, clips: dict[str, Clip], render: Renderer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if not kept:
        monkeypatch.setattr(picture, "LOOP_BYTES", 0)
    source, start, factor = clips[name], Fraction(trim), Fraction(speed)
    frames = 2 * lasts + 5
    got = seen(render, source, name, frames, trim_start=start, lasts=lasts, speed=factor, on_short="loop")
    assert got == [at(source, start + Fraction(n % lasts, 30) * factor) for n in range(frames)]


@pytest.mark.parametrize("kept", [True, False], ids=["kept in memory", "read again"])
def test_a_loop_may_have_begun_before_the_timeline(
    kept: bool, clips: dict[str, Clip], render: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:
        monkeypatch.setattr(picture, "LOOP_BYTES", 0)
    source = clips["30.mp4"]
    scene = timeline(
        layer("v", start=-17, frames=47, lasts=10, trim_start=Fraction(1), on_short="loop", box=box(0, 0, 160, 90)),
        width=160, height=90, frames=30,
    )  # fmt: skip
    got = [read_number(luma) for luma, _, _ in render(scene, {"v": source.path}).planes()]
    assert got == [30 + (n + 17) % 10 for n in range(30)]


def test_a_trim_ends_in_its_last_frame_or_in_black(clips: dict[str, Clip], render: Renderer) -> None:
    source = clips["30.mp4"]
    assert seen(render, source, "v", 12, lasts=5, trim_start=Fraction(1)) == [30, 31, 32, 33, 34] + [34] * 7
    shown = layer("v", frames=12, lasts=5, on_short="black", box=box(0, 0, 160, 90))
    scene = timeline(shown, width=160, height=90, frames=12)
    lumas = [luma for luma, _, _ in render(scene, {"v": source.path}).planes()]
    assert [read_number(luma) for luma in lumas[:5]] == [0, 1, 2, 3, 4]
    assert all(np.abs(luma - 16).max() <= 1 for luma in lumas[5:])
    over = timeline(shown, layer("v", frames=4, start=8, box=box(0, 0, 80, 90)), width=160, height=90, frames=12)
    assert [luma[45, 150] for luma, _, _ in render(over, {"v": source.path}).planes()][6:] == [16] * 6
    past = layer("v", start=-8, frames=12, lasts=5, box=box(0, 0, 160, 90))
    held = render(timeline(past, width=160, height=90, frames=4), {"v": source.path}).planes()
    assert [read_number(luma) for luma, _, _ in held] == [4] * 4


def tone(hertz: float, seconds: float) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(48000 * seconds)) / 48000)
    return np.stack([wave, wave], 1)


@pytest.mark.parametrize("speed", ["1/10", "1/2", "3/2", "4", "10"])
def test_a_faster_sound_keeps_its_pitch_and_is_as_long_as_it_should_be(
    speed: str, tmp_path: Path, render: Renderer
) -> None:
    factor = Fraction(speed)
    wav(tmp_path / "t.wav", tone(440, 4))
    length = min(Fraction(2), 4 / factor)
    heard_for = timeline(sounds=(sound("t", duration=length, speed=factor),), frames=75)
    samples = heard(render(heard_for, {"t": tmp_path / "t.wav"}, change=uncompressed, suffix=".mkv").path)[:, 0]
    loud = samples[: int(length * 48000)]
    middle = loud[len(loud) // 4 : 3 * len(loud) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * 48000 / len(middle) - 440) <= 48000 / len(middle) + 1
    quarter = len(loud) // 8
    levels = [np.sqrt((loud[i * quarter : (i + 1) * quarter] ** 2).mean()) for i in range(8)]
    assert min(levels) > 0.25 and np.abs(samples[int(length * 48000) + 4000 :]).max(initial=0) < 0.01


def test_a_sound_begins_again_with_its_picture(tmp_path: Path, render: Renderer) -> None:
    ramp = np.linspace(0, 0.8, 24000)[:, None].repeat(2, 1)
    wav(tmp_path / "r.wav", ramp)
    scene = timeline(sounds=(sound("r", duration=Fraction(2), loop=Fraction(1, 2)),), frames=60)
    samples = heard(render(scene, {"r": tmp_path / "r.wav"}, change=uncompressed, suffix=".mkv").path)[:, 0]
    for again in range(4):
        part = samples[24000 * again + 3000 : 24000 * again + 21000].reshape(-1, 1000).mean(1)
        assert np.abs(part - ramp[3000:21000, 0].reshape(-1, 1000).mean(1)).max() < 0.08
