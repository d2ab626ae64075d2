"""What the compiled command is made of: the properties that make it cheap and safe."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from orchestrator_tasks.ffmpeg import binary
from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.probe import probe
from tests.render.conftest import PLAIN, Renderer, box, layer, sound, style, timeline
from tests.render.footage import clip, sha256
from workflows.errors import RenderFailed, SourceCorrupt, SourceOverLimits
from workflows.planning.model import Encoder
from workflows.settings import Settings
from workflows.spec.media import MediaInfo
from workflows.spec.timeline import Timeline

GOLDEN = Path(__file__).parent / "golden"
WORDS = "it's %{metadata}; [x]movie=/etc/passwd,\\:"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    clip(tmp_path / "v.mp4", frames=40)
    Image.new("RGBA", (400, 400), (255, 0, 0, 200)).save(tmp_path / "logo.png")
    return {"v": tmp_path / "v.mp4", "logo": tmp_path / "logo.png"}


@pytest.fixture
def media(files: dict[str, Path], settings: Settings) -> dict[str, MediaInfo]:
    return {name: probe(path, sha256(path), settings=settings) for name, path in files.items()}


def scene() -> Timeline:
    return timeline(
        layer("v", frames=40),
        layer("v", frames=40, box=box(160, 20, 120, 60)),
        layer("logo", "image", frames=40, box=box(20, 100, 60, 60), opacity=0.5),
        layer(
            None,
            "text",
            start=5,
            frames=30,
            fade_in=10,
            text=style(WORDS, font_size=Fraction(12)),
            box=box(8, 8, 300, 90),
        ),
        frames=40,
    )


@pytest.fixture
def command(files: dict[str, Path], media: dict[str, MediaInfo], tmp_path: Path) -> list[str]:
    return list(compile_timeline(scene(), media, files, PLAIN, tmp_path, out=tmp_path / "o.mp4").argv)


def test_a_scene_without_effects_compiles_as_it_always_did(command: list[str], tmp_path: Path) -> None:
    """Effects cost those who use them: the commands of plain layers are held, word by word."""
    words = [word.replace(str(tmp_path), "WORK").replace(str(binary.locate()), "FFMPEG") for word in command]
    assert "\n".join(words).replace(";", ";\n") + "\n" == (GOLDEN / "plain_command.txt").read_text()


def graph_of(command: list[str]) -> str:
    return command[command.index("-filter_complex") + 1]


def test_layers_are_composited_in_their_boxes_and_in_yuv(command: list[str]) -> None:
    graph = graph_of(command)
    assert graph.count("overlay=") == 3  # the full-frame video is the back itself
    assert not re.search(r"\bpad=|\bcolor=|format=rgb|format=auto|colorchannelmixer", graph)
    assert "scale=120:68" in graph  # scaled to cover its box before it is composited: 320x180 to 120x67.5, even
    sizes = [command[i + 1] for i, word in enumerate(command) if word == "-video_size"]
    assert sizes[0] == "60x60"
    assert all(int(size.split("x")[0]) < 320 for size in sizes)


def test_a_still_is_repeated_only_while_it_fades(command: list[str]) -> None:
    assert re.findall(r"loop=loop=(\d+)", graph_of(command)) == ["10"]
    assert "-loop" not in command


def test_every_input_is_a_local_file_with_one_demuxer_and_limits(command: list[str]) -> None:
    starts = [i for i, word in enumerate(command) if word == "-i"]
    previous = 0
    for at in starts:
        options = command[previous:at]
        assert command[at + 1].startswith("file:/")
        assert options[options.index("-protocol_whitelist") + 1] == "file"
        assert options[options.index("-format_whitelist") + 1] == options[options.index("-f") + 1]
        assert options[options.index("-f") + 1] in ("mov", "rawvideo")
        previous = at + 2
    assert "-max_alloc" in command and "-nostdin" in command


def test_no_word_of_the_user_reaches_the_command(command: list[str]) -> None:
    assert not any("passwd" in word or "metadata}" in word for word in command)


def test_what_cannot_be_seen_is_left_out(files: dict[str, Path], media: dict[str, MediaInfo], tmp_path: Path) -> None:
    hidden = timeline(
        layer("logo", "image", box=box(10, 10, 60, 60)),  # behind the opaque video
        layer("v"),
        layer("logo", "image", opacity=0),
        layer("logo", "image", box=box(500, 10, 60, 60)),
        layer("logo", "image", start=50),
    )
    argv = compile_timeline(hidden, media, files, PLAIN, tmp_path, out=tmp_path / "o.mp4").argv
    assert argv.count("-i") == 1 and "overlay" not in graph_of(list(argv))


def test_a_video_and_its_own_sound_are_read_once(tmp_path: Path, settings: Settings) -> None:
    import numpy as np

    path = clip(tmp_path / "s.mp4", frames=10, sound=np.zeros((16000, 2))).path
    media = {"s": probe(path, sha256(path), settings=settings)}
    both = timeline(layer("s"), sounds=(sound("s", duration=Fraction(1, 3)),))
    argv = compile_timeline(both, media, {"s": path}, PLAIN, tmp_path, out=tmp_path / "o.mp4").argv
    assert argv.count("-i") == 1


def test_hundreds_of_layers_compile_and_run(render: Renderer, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 255, 255)).save(tmp_path / "dot.png")
    many = timeline(
        *(
            layer("dot", "image", start=i % 10, frames=1, box=box(8 * (i // 10 % 40), 8 * (i % 20), 8, 8))
            for i in range(600)
        )
    )
    done = render(many, {"dot": tmp_path / "dot.png"})
    assert max(map(len, done.argv)) < 131_000
    spilled = Path(done.argv[done.argv.index("-/filter_complex") + 1])
    assert spilled.read_text(encoding="utf-8").count("overlay=") == 600
    for n, (luma, _, _) in enumerate(done.planes()):
        assert luma[8 * n + 4, 4] > 230 and luma[8 * ((n + 1) % 10) + 4, 4] < 80


def test_a_picture_beyond_the_limit_is_refused(
    files: dict[str, Path], media: dict[str, MediaInfo], tmp_path: Path
) -> None:
    small = Limits(max_pixels=400 * 400 - 1)
    with pytest.raises(SourceOverLimits, match="400 x 400") as caught:
        compile_timeline(scene(), media, files, PLAIN, tmp_path, out=tmp_path / "o.mp4", limits=small)
    assert caught.value.details["element_id"] == "logo"


def test_a_cut_picture_is_corrupt(files: dict[str, Path], media: dict[str, MediaInfo], tmp_path: Path) -> None:
    whole = files["logo"].read_bytes()
    files["logo"].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceCorrupt):
        compile_timeline(scene(), media, files, PLAIN, tmp_path, out=tmp_path / "o.mp4")


def test_an_unknown_codec_is_an_error(files: dict[str, Path], media: dict[str, MediaInfo], tmp_path: Path) -> None:
    odd = Encoder(codec="mpeg1", preset="x", crf=1, threads=1)
    with pytest.raises(RenderFailed, match="h264"):
        compile_timeline(scene(), media, files, odd, tmp_path, out=tmp_path / "o.mp4")
