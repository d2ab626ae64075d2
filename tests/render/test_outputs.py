"""Every output format: rendered, read back by other programs, and compared with what it is of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from orchestrator_tasks.checks import structure
from orchestrator_tasks.checks.decode import decode_checks
from orchestrator_tasks.checks.model import failed
from orchestrator_tasks.ffmpeg import binary
from orchestrator_tasks.ffmpeg.command import RenderCommand
from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.containers import CONTAINERS
from orchestrator_tasks.ffmpeg.encoders import ENCODERS
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.probe import probe
from orchestrator_tasks.ffmpeg.render import RenderReport, render
from tests.render.conftest import box, layer, sound, timeline
from tests.render.expected import composite, flat, worst_difference
from tests.render.footage import Clip, Still, clip, quarters, sha256, still, wav
from workflows.planning.model import Encoder
from workflows.settings import Settings
from workflows.spec.outputs import GRADES, OUTPUTS
from workflows.spec.slices import slice_timeline
from workflows.spec.timeline import Timeline

FRAMES = 10
SECONDS = Fraction(FRAMES, 25)


@dataclass(kw_only=True)
class Studio:
    """Sources, and the render of a job's timeline into any format."""

    folder: Path
    sources: dict[str, Clip | Still]
    files: dict[str, Path]

    def make(self, name: str, scene: Timeline, codec: str = "", **options: Any) -> tuple[Path, RenderReport]:
        codec = codec or OUTPUTS[name].codecs[0]
        preset, crf = GRADES.get(codec, {}).get("high", ("veryfast", 0))
        home = Settings(data_dir=str(self.folder / "home"))
        media = {url: probe(self.files[url], sha256(self.files[url]), settings=home) for url in scene.sources}
        work = self.folder / f"work-{len(list(self.folder.glob('work-*')))}"
        work.mkdir()
        out = work / f"out.{name}"
        encoder = Encoder(codec=codec, preset=preset, crf=crf, threads=2)
        report = render(scene, media, self.files, encoder, out, workspace=work, output_format=name, **options)
        return out, report


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("outputs")
    samples = 0.4 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)[:, None].repeat(2, 1)
    wav(folder / "tone.wav", samples)
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[..., :] = (10, 200, 30, 255)
    sources: dict[str, Clip | Still] = {
        "v": clip(folder / "v.mp4", rate=25, frames=FRAMES, picture=quarters),
        "logo": still(folder / "logo.png", pixels),
    }
    files = {name: source.path for name, source in sources.items()} | {"tone": folder / "tone.wav"}
    return Studio(folder=folder, sources=sources, files=files)


def scene(**changes: Any) -> Timeline:
    layers = (layer("v", frames=FRAMES), layer("logo", "image", frames=FRAMES, box=box(20, 20, 80, 80)))
    values: dict[str, Any] = {
        "frames": FRAMES,
        "frame_rate": Fraction(25),
        "sounds": (sound("tone", duration=SECONDS),),
    }
    return timeline(*layers, **(values | changes))


def adapted(name: str) -> Timeline:
    """The part of the scene that goes into the format."""
    output, made = OUTPUTS[name], scene()
    if output.picture == "still":
        made = slice_timeline(made, 2, 1)
    if output.picture == "none":
        made = replace(made, width=0, height=0, layers=())
    return replace(made, sounds=made.sounds if output.sound else ())


MOVING = [("mp4", "h264"), ("mp4", "h265"), ("mp4", "av1"), ("webm", "vp9"), ("mov", "prores")]
READ_AS = {"h264": "h264", "h265": "hevc", "av1": "libdav1d", "vp9": "vp9", "prores": "prores"}
SOUND_AS = {"mp4": "aac", "webm": "opus", "mov": "pcm_s16le", "mp3": "mp3float", "wav": "pcm_s16le"}


@pytest.mark.parametrize(("name", "codec"), MOVING)
def test_a_moving_picture_shows_every_frame_as_it_was_composed(name: str, codec: str, studio: Studio) -> None:
    out, report = studio.make(name, scene(), codec)
    assert failed(report.checks) == ()
    with av.open(str(out)) as container:
        picture, heard = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, heard.codec_context.name) == (READ_AS[codec], SOUND_AS[name])
        assert picture.average_rate == 25
        frames = list(container.decode(picture))
    assert len(frames) == FRAMES
    assert [round(float(frame.time) * 1000) for frame in frames] == [40 * n for n in range(FRAMES)]
    for n, frame in enumerate(frames):
        assert (frame.width, frame.height, int(frame.colorspace), int(frame.color_range)) == (320, 180, 1, 1)
        planes = frame.reformat(format="yuv420p").to_ndarray().astype(float)
        chroma = planes[180:].reshape(2, 90, 160)
        assert worst_difference((planes[:180], chroma[0], chroma[1]), composite(scene(), studio.sources, n)) <= 8


def test_h265_is_tagged_as_apples_players_want_it(studio: Studio) -> None:
    out, _ = studio.make("mp4", scene(), "h265")
    assert b"hvc1" in out.read_bytes() and b"hev1" not in out.read_bytes()


def test_a_mov_carries_an_alpha_plane(studio: Studio) -> None:
    out, _ = studio.make("mov", scene())
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "ap4h"
        frame = next(container.decode(video=0))
        assert frame.format.name.startswith("yuva444p")


def see_through(**changes: Any) -> Timeline:
    """The video for 5 frames of 10 in the left half, the logo over it and over nothing, half of it see-through."""
    layers = (
        layer("v", frames=5, box=box(0, 0, 160, 180), fit="fill"),
        layer("logo", "image", frames=FRAMES, box=box(120, 20, 80, 80), opacity=0.5),
    )
    values: dict[str, Any] = {"frames": FRAMES, "frame_rate": Fraction(25), "fill_color": "#ff000000", "sounds": ()}
    return timeline(*layers, **(values | changes))


@pytest.mark.parametrize(("name", "decoder"), [("png", ""), ("mov", "prores"), ("webm", "libvpx-vp9")])
def test_a_see_through_job_has_a_straight_alpha_plane(name: str, decoder: str, studio: Studio) -> None:
    for n in (2, 7):
        made = slice_timeline(see_through(), n, 1) if name == "png" else see_through()
        out, report = studio.make(name, made)
        assert failed(report.checks) == ()
        rgba = rgba_of(out, decoder, 0 if name == "png" else n)
        video, over_video, over_nothing, nothing = ((90, 40), (60, 140), (60, 180), (150, 280))
        whole = 255 if n < 5 else 0  # the video ends after frame 4
        assert abs(rgba[video][3] - whole) <= 2 and rgba[nothing][3] <= 2
        assert abs(rgba[over_nothing][3] - 128) <= 3
        assert np.abs(rgba[over_nothing][:3] - (10, 200, 30)).max() <= 10  # not darkened: straight
        assert abs(rgba[over_video][3] - (255 if n < 5 else 128)) <= 3


def rgba_of(path: Path, decoder: str, n: int) -> np.ndarray:
    """Frame n by FFmpeg's command line, with the decoder that reads alpha planes."""
    reader = ["-c:v", decoder] if decoder else []
    argv = [str(binary.locate()), "-v", "error", *reader, "-i", str(path), "-pix_fmt", "rgba", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 180, 320, 4)[n].astype(float)


def test_a_gif_shows_every_frame_for_its_time_and_again(studio: Studio) -> None:
    quiet = scene(sounds=())
    out, report = studio.make("gif", quiet)
    assert failed(report.checks) == ()
    with Image.open(out) as picture:
        assert (picture.n_frames, picture.info["loop"], picture.size) == (FRAMES, 0, (320, 180))
        for n in range(FRAMES):
            picture.seek(n)
            assert picture.info["duration"] == 40
            wanted = composite(quiet, studio.sources, n)
            apart = np.abs(np.asarray(picture.convert("RGB")).astype(float) - wanted).max(-1)
            assert apart[flat(wanted)].mean() <= 1 and np.quantile(apart[flat(wanted)], 0.95) <= 4
    once, _ = studio.make("gif", quiet, loop=False)
    with Image.open(once) as picture:
        assert "loop" not in picture.info


# The peak of a child counts that of the process it was forked from, so it is started from a small one.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def test_a_long_gif_does_not_keep_its_frames(studio: Studio) -> None:
    """For one palette for 110 million pixels it would keep 440 MB."""
    size = {"width": 640, "height": 360, "frames": 480, "frame_rate": Fraction(25)}
    long = timeline(layer("v", frames=480, box=box(0, 0, 640, 360)), **size)
    media = {"v": probe(studio.files["v"], sha256(studio.files["v"]), settings=Settings(data_dir=str(studio.folder)))}
    out, encoder = studio.folder / "long.gif", Encoder(codec="gif", preset="veryfast", crf=0, threads=2)
    command = compile_timeline(long, media, studio.files, encoder, studio.folder, out=out, output_format="gif")
    peak = subprocess.run([sys.executable, "-c", PEAK, *command.argv], check=True, capture_output=True, text=True)
    assert int(peak.stdout) < 300_000_000
    assert failed(structure.check(command)) == ()
    with Image.open(out) as picture:
        picture.seek(4)
        wanted = composite(long, studio.sources, 4)
        assert np.abs(np.asarray(picture.convert("RGB")).astype(float) - wanted)[flat(wanted)].mean() <= 2


@pytest.mark.parametrize(("name", "most"), [("png", 3), ("jpg", 12)])
def test_a_still_is_one_frame_of_the_same_graph(name: str, most: int, studio: Studio) -> None:
    quiet = scene(sounds=())
    for n in (0, 7):
        out, report = studio.make(name, slice_timeline(quiet, n, 1))
        assert failed(report.checks) == ()
        with Image.open(out) as picture:
            assert (picture.format, picture.mode, picture.size) == (
                {"png": "PNG", "jpg": "JPEG"}[name], "RGB", (320, 180),
            )  # fmt: skip
            if name == "png":  # read as sRGB; a gamma or matrix of video would be applied once more by browsers
                assert "srgb" in picture.info
            pixels = np.asarray(picture).astype(float)
        wanted = composite(quiet, studio.sources, n)
        assert np.abs(pixels - wanted)[flat(wanted)].max() <= most


def test_a_scaled_picture_is_the_whole_one_made_smaller(studio: Studio) -> None:
    quiet = slice_timeline(scene(sounds=()), 3, 1)
    full, _ = studio.make("png", quiet)
    small, report = studio.make("png", replace(quiet, scale=Fraction(1, 4)))
    assert failed(report.checks) == ()
    with Image.open(full) as one, Image.open(small) as other:
        assert other.size == (80, 46)  # 45 is odd
        resized = np.asarray(one.resize((80, 46), Image.Resampling.BICUBIC)).astype(float)
        apart = np.abs(resized - np.asarray(other)).max(-1)
    where = flat(resized, margin=2)
    assert where.mean() > 0.5 and apart[where].max() <= 4


@pytest.mark.parametrize("name", ["mp3", "wav"])
def test_sound_alone_is_the_mix(name: str, studio: Studio) -> None:
    out, report = studio.make(name, scene(width=0, height=0, layers=()), "")
    assert failed(report.checks) == ()
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]
        assert container.streams.audio[0].codec_context.name == SOUND_AS[name]
        got = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]).astype(float)
    if name == "wav":
        assert len(got) == 2 * 48000 * SECONDS
        wanted = 0.4 * 32768 * np.sin(np.arange(round(48000 * SECONDS)) * 2 * np.pi * 440 / 48000)
        assert np.abs(got[::2] - wanted).max() <= 2
    else:
        assert 0.2 < np.sqrt((got**2).mean()) < 0.32  # 0.4 / sqrt 2


@pytest.mark.parametrize(
    ("name", "codec"), [*MOVING, ("gif", "gif"), ("png", "png"), ("jpg", "jpeg"), ("mp3", ""), ("wav", "")]
)
def test_the_decoding_gate_reads_every_format(name: str, codec: str, studio: Studio) -> None:
    made = adapted(name)
    out, _ = studio.make(name, made, codec)
    found = {check.name: check for check in decode_checks(out, made)}
    assert found["decodes"].ok, found["decodes"].detail
    data = bytearray(out.read_bytes())
    for at in range(len(data) // 2, len(data) - 40, 53):
        data[at] ^= 0xFF
    out.write_bytes(data)
    if name not in ("wav", "mov"):  # PCM is never wrong, and ProRes has no checksum
        assert not {check.name: check for check in decode_checks(out, made)}["decodes"].ok


@pytest.mark.parametrize(("name", "codec"), [*MOVING, ("gif", "gif"), ("png", "png"), ("jpg", "jpeg")])
def test_the_same_timeline_gives_the_same_bytes(name: str, codec: str, studio: Studio) -> None:
    one, other = (studio.make(name, adapted(name), codec)[0].read_bytes() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("name", "codec", "wrong", "check"),
    [
        ("webm", "vp9", {"frames": FRAMES + 1}, "frames"),
        ("webm", "vp9", {"frame_rate": Fraction(24)}, "frame_rate"),
        ("webm", "vp9", {"has_audio": False}, "streams"),
        ("mov", "prores", {"frame_rate": Fraction(24)}, "duration"),
        ("gif", "gif", {"frames": FRAMES - 1}, "frames"),
        ("gif", "gif", {"frame_rate": Fraction(20)}, "frame_rate"),
        ("gif", "gif", {"width": 318}, "size"),
        ("png", "png", {"height": 178}, "size"),
        ("wav", "", {"frames": FRAMES + 1}, "sound_end"),
        ("mp3", "", {"frames": FRAMES + 3}, "sound_end"),
        ("mp3", "", {"width": 320}, "streams"),
    ],
)
def test_the_structural_check_catches(name: str, codec: str, wrong: dict[str, Any], check: str, studio: Studio) -> None:
    made = adapted(name)
    out, _ = studio.make(name, made, codec)
    right = RenderCommand(
        argv=(), frames=made.frames, inputs=(), limits=Limits(), out=out, frame_rate=made.frame_rate, width=made.width,
        height=made.height, has_audio=bool(made.sounds), output_format=name, warnings=(),
    )  # fmt: skip
    assert failed(structure.check(right)) == ()
    assert check in [each.name for each in failed(structure.check(replace(right, **wrong)))]


def test_every_format_and_codec_of_the_schema_can_be_written() -> None:
    assert set(CONTAINERS) == set(OUTPUTS)
    pictured = {codec for output in OUTPUTS.values() if output.picture != "none" for codec in output.codecs}
    assert pictured == set(ENCODERS)
