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


# What every other setting must leave as it is: the usual render, on which speed and cached results depend.
USUAL = (
    "-nostdin -hide_banner -loglevel repeat+level+error -nostats -progress pipe:1 -stats_period 0.25 "
    "-max_alloc 1073741824 -y "
    "-f mov -dn -format_whitelist mov -max_pixels 35651584 -max_streams 32 -protocol_whitelist file -sn -threads 2 "
    "-i file:W/input-0.media "
    "-f rawvideo -video_size 60x60 -format_whitelist rawvideo -framerate 30 -pixel_format rgba "
    "-protocol_whitelist file -i file:W/raster-1.raw "
    "-filter_complex [0:V:0]settb=1/1000000[s0];[s0]setpts=PTS-0[s1];[s1]fps=fps=30:round=near:start_time=0[s2];"
    "[s2]scale=320:180:flags=bicubic[s3];[s3]setsar=1[s4];"
    "[s4]format=color_ranges=tv:color_spaces=bt709:pix_fmts=yuv420p[s5];[s5]tpad=stop=-1:stop_mode=clone[s6];"
    "[s6]trim=end_frame=40[s7];[s7]settb=1/30[s8];[s8]setpts=N[s9];"
    "[1]format=color_ranges=tv:color_spaces=bt709:pix_fmts=yuva420p[s10];"
    "[s10]setpts=0+if(lte(N\\,0)\\,N\\,N+39)[s11];[s11]setpts=PTS+0[s12];"
    "[s9][s12]overlay=enable=between(t\\,-0.016667\\,1.316667):eof_action=repeat:x=20:y=100[s13];"
    "[s13]setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv[s14];"
    "[0:a:0]aresample=48000:async=1:first_pts=0[s15];[s15]aformat=channel_layouts=stereo:sample_fmts=fltp[s16];"
    "[s16]atrim=end_sample=64000:start_sample=0[s17];[s17]asetpts=N/SR/TB[s18];[s18]apad=whole_len=64000[s19];"
    "[s19]atrim=end_sample=64000[s20] "
    "-map [s14] -map [s20] -f mp4 -b:a 128k -c:a aac -c:v libx264 -color_primaries bt709 -color_range tv "
    "-color_trc bt709 -colorspace bt709 -crf 21 -fflags +bitexact -flags:a +bitexact -flags:v +bitexact "
    "-fps_mode:v passthrough -map_metadata -1 -movflags +faststart -pix_fmt yuv420p -preset veryfast -threads:v 2 "
    "-video_track_timescale 15360 file:W/o.mp4"
)


def test_the_usual_command_is_what_it_has_always_been(tmp_path: Path, settings: Settings) -> None:
    import numpy as np

    path = clip(tmp_path / "v.mp4", frames=40, sound=np.zeros((64000, 2))).path
    Image.new("RGBA", (400, 400), (255, 0, 0, 200)).save(tmp_path / "logo.png")
    files = {"v": path, "logo": tmp_path / "logo.png"}
    media = {name: probe(each, sha256(each), settings=settings) for name, each in files.items()}
    usual = timeline(
        layer("v", frames=40),
        layer("logo", "image", frames=40, box=box(20, 100, 60, 60), opacity=0.5),
        sounds=(sound("v", duration=Fraction(4, 3)),),
        frames=40,
    )
    argv = compile_timeline(usual, media, files, PLAIN, tmp_path, out=tmp_path / "o.mp4").argv
    assert " ".join(argv[1:]).replace(str(tmp_path), "W") == USUAL
