"""Which source frame is on screen when, and how many frames the file has: counted, never approximately."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import av
import pytest

from tests.render.conftest import PLAIN, Renderer, box, layer, sound, style, timeline
from tests.render.footage import Clip, clip, read_number, wav

NTSC = Fraction(30000, 1001)
SOURCES = {"24.mp4": 24, "25.mkv": 25, "30.mp4": 30, "60.mp4": 60, "ntsc.mp4": NTSC, "ntsc.mkv": NTSC, "25.ts": 25}
TRIMS = ("0", "0.04", "1", "1.0667", "1.999", "2")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    return {name: clip(folder / name, rate=rate, frames=150, gop=25, size=(160, 90)) for name, rate in SOURCES.items()}


@pytest.mark.parametrize("rate", [24, 25, 30, NTSC], ids=str)
@pytest.mark.parametrize("name", SOURCES)
def test_output_frame_n_shows_the_source_at_trim_start_plus_n(
    name: str, rate: Fraction, clips: dict[str, Clip], render: Renderer
) -> None:
    source, rate = clips[name], Fraction(rate)
    each = 8
    layers = [
        layer(name, start=each * i, frames=each, trim_start=Fraction(trim), box=box(0, 0, 160, 90))
        for i, trim in enumerate(TRIMS)
    ]
    scene = timeline(*layers, width=160, height=90, frame_rate=rate, frames=each * len(TRIMS))
    seen = [read_number(luma) for luma, _, _ in render(scene, {name: source.path}).planes()]
    # A frame counts as there up to 1.25 ms early: decimals and containers round.
    times = [Fraction(trim) + n / rate + Fraction("0.00125") for trim in TRIMS for n in range(each)]
    assert seen == [floor(time * source.rate) for time in times]


def test_a_seek_deep_into_an_unindexed_file_is_exact(tmp_path: Path, render: Renderer) -> None:
    source = clip(tmp_path / "long.ts", rate=10, frames=250, gop=25, size=(160, 90))
    scene = timeline(
        layer("long", trim_start=Fraction(21), box=box(0, 0, 160, 90)), width=160, height=90, frame_rate=Fraction(10)
    )
    seen = [read_number(luma) for luma, _, _ in render(scene, {"long": source.path}).planes()]
    assert seen == list(range(210, 220))


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30), NTSC], ids=str)
def test_count_duration_and_rate_are_exact(
    rate: Fraction, clips: dict[str, Clip], render: Renderer, tmp_path: Path
) -> None:
    import numpy as np

    wav(tmp_path / "tone.wav", np.zeros((96000, 2)))
    scene = timeline(
        layer("24.mp4", frames=41),
        layer(None, "text", frames=41, text=style("Title"), box=box(8, 8, 300, 100)),
        sounds=(sound("tone"),),
        frame_rate=rate,
        frames=41,
    )
    files = {"24.mp4": clips["24.mp4"].path, "tone": tmp_path / "tone.wav"}
    with av.open(str(render(scene, files, PLAIN).path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.frames, video.average_rate) == (41, rate)
        assert video.duration * video.time_base == 41 / rate
        assert abs(audio.duration * audio.time_base - 41 / rate) <= Fraction(1024, 48000)
        packets = sorted(packet.pts * packet.time_base for packet in container.demux(video) if packet.pts is not None)
        assert packets == [n / rate for n in range(41)]
        assert (video.codec_context.color_range, video.codec_context.colorspace) == (1, 1)
        assert container.metadata.get("creation_time") is None


def test_rotation_and_sample_aspect_are_obeyed(tmp_path: Path, render: Renderer) -> None:
    """A 160x90 file flagged 90 degrees fills a 90x160 canvas, its left bar at the bottom (counter-clockwise)."""
    import subprocess

    import numpy as np

    from orchestrator_tasks.ffmpeg import binary

    def halves(n: int, width: int, height: int) -> np.ndarray:
        picture = np.full((height, width, 3), 30, np.uint8)
        picture[:, : width // 2] = 220
        return picture

    plain = clip(tmp_path / "plain.mp4", size=(160, 90), picture=halves, frames=10)
    turned = tmp_path / "turned.mp4"
    run = [
        str(binary.locate()),
        "-v",
        "error",
        "-display_rotation",
        "90",
        "-i",
        str(plain.path),
        "-c",
        "copy",
        str(turned),
    ]
    subprocess.run(run, check=True)
    scene = timeline(layer("turned", box=box(0, 0, 90, 160)), width=90, height=160)
    luma = render(scene, {"turned": turned}).planes()[0][0]
    assert luma[150].min() > 180 and luma[10].max() < 70

    squeezed = tmp_path / "squeezed.mp4"
    run = [
        str(binary.locate()),
        "-v",
        "error",
        "-i",
        str(plain.path),
        "-c",
        "copy",
        "-bsf:v",
        "h264_metadata=sample_aspect_ratio=1/2",
    ]
    subprocess.run([*run, str(squeezed)], check=True)
    scene = timeline(
        layer("squeezed", fit="contain", box=box(0, 0, 160, 90)), width=160, height=90, fill_color="#0000ff"
    )
    luma = render(scene, {"squeezed": squeezed}).planes()[0][0]
    assert luma[45, 60] > 180 and luma[45, 100] < 70  # 80 pixels wide, in the middle
    assert luma[45, 20] == luma[45, 140] == pytest.approx(32, abs=2)  # the fill colour beside it


def test_the_same_input_gives_the_same_bytes(clips: dict[str, Clip], render: Renderer, tmp_path: Path) -> None:
    import numpy as np

    wav(tmp_path / "noise.wav", np.random.default_rng(1).uniform(-0.3, 0.3, (48000, 2)))
    scene = timeline(
        layer("30.mp4", frames=20),
        layer(None, "text", frames=20, text=style("Same"), box=box(8, 8, 300, 100), fade_in=5),
        sounds=(sound("noise"),),
        frames=20,
    )
    files = {"30.mp4": clips["30.mp4"].path, "noise": tmp_path / "noise.wav"}
    one, other = render(scene, files, PLAIN), render(scene, files, PLAIN)
    assert one.path != other.path
    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize("rate", [24, 25, 30, 50, NTSC], ids=str)
def test_a_source_that_ends_holds_its_last_frame_even_if_no_output_frame_falls_on_it(
    rate: Fraction, tmp_path: Path, render: Renderer
) -> None:
    source, rate = clip(tmp_path / "s.mp4", frames=20, rate=30, size=(160, 90)), Fraction(rate)
    whole = layer("s", frames=14, trim_start=Fraction(1, 2), box=box(0, 0, 160, 90))
    done = render(timeline(whole, width=160, height=90, frame_rate=rate, frames=14), {"s": source.path})
    shown = [read_number(luma) for luma, _, _ in done.planes()]
    assert shown == [min(19, floor((Fraction(1, 2) + n / rate + Fraction(1, 1000)) * 30)) for n in range(14)]
