"""What the probe says of good files, and that bad ones hurt nobody."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from orchestrator_tasks.ffmpeg import binary, inspection
from orchestrator_tasks.ffmpeg.inspection import InspectLimits
from orchestrator_tasks.ffmpeg.probe import probe
from tests.render.footage import clip, sha256, wav
from workflows.errors import SourceCorrupt, SourceError, SourceNotFound, SourceNotMedia, SourceOverLimits
from workflows.settings import Settings
from workflows.spec.media import MediaInfo


def probed(path: Path, settings: Settings) -> MediaInfo:
    return probe(path, sha256(path), "elements[0].source", settings)


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([str(binary.locate()), "-v", "error", "-y", *map(str, arguments)], check=True)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png(path: Path, side: int) -> Path:
    """A real, tiny PNG file of side x side black pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_a_video_with_sound(tmp_path: Path, settings: Settings) -> None:
    path = clip(tmp_path / "v.mp4", frames=45, rate=Fraction(30000, 1001), sound=np.zeros((72072, 2))).path
    info = probed(path, settings)
    assert info.video is not None and info.audio is not None
    assert (info.video.codec, info.video.width, info.video.height, info.video.frames) == ("h264", 320, 180, 45)
    assert (info.video.frame_rate, info.video.rotation, info.video.alpha) == (Fraction(30000, 1001), 0, False)
    assert (info.video.color_space, info.video.color_transfer) == ("bt709", "bt709")
    assert (info.audio.codec, info.audio.sample_rate, info.audio.channels) == ("aac", 48000, 2)
    assert info.duration is not None and abs(info.duration - Fraction("1.5015")) < Fraction("0.03")
    assert info.size_bytes == path.stat().st_size and info.sha256 == sha256(path)


def test_a_rotated_file_is_told_as_displayed(tmp_path: Path, settings: Settings) -> None:
    plain = clip(tmp_path / "v.mp4", frames=5).path
    for flag, clockwise in (("90", 270), ("-90", 90), ("180", 180)):
        ffmpeg("-display_rotation", flag, "-i", plain, "-c", "copy", tmp_path / f"{flag}.mp4")
        video = probed(tmp_path / f"{flag}.mp4", settings).video
        assert video is not None
        size = (180, 320) if clockwise != 180 else (320, 180)
        assert (video.rotation, video.width, video.height) == (clockwise, *size)


def test_sound_and_pictures(tmp_path: Path, settings: Settings) -> None:
    wav(tmp_path / "a.wav", np.zeros((44100, 1)), 44100)
    sound = probed(tmp_path / "a.wav", settings)
    assert sound.video is None and sound.audio is not None
    assert (sound.duration, sound.audio.sample_rate, sound.audio.channels) == (1, 44100, 1)
    for name, mode, alpha in (
        ("a.png", "RGBA", True),
        ("b.jpg", "RGB", False),
        ("c.webp", "RGB", False),
        ("d.gif", "P", False),
    ):
        Image.new(mode, (30, 20)).save(tmp_path / name)
        picture = probed(tmp_path / name, settings)
        assert picture.video is not None and picture.duration is None and picture.audio is None
        assert (picture.video.width, picture.video.height, picture.video.alpha) == (30, 20, alpha)
        assert picture.video.frame_rate is None


def test_a_photo_on_its_side_is_told_as_displayed(tmp_path: Path, settings: Settings) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "p.jpg", exif=exif)
    video = probed(tmp_path / "p.jpg", settings).video
    assert video is not None and (video.width, video.height) == (20, 30)


def playlist(folder: Path) -> Path:
    """An HLS playlist named .mp4 that plays another file of this machine."""
    clip(folder / "secret.ts", frames=10)
    file = folder / "in.mp4"
    file.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{folder}/secret.ts\n#EXT-X-ENDLIST\n")
    return file


def test_a_playlist_in_disguise_never_opens_another_file(tmp_path: Path, settings: Settings) -> None:
    file = playlist(tmp_path)
    os.utime(tmp_path / "secret.ts", (1, 1))
    with pytest.raises(SourceNotMedia) as caught:
        probed(file, settings)
    assert caught.value.path == "elements[0].source"
    assert (tmp_path / "secret.ts").stat().st_atime == 1


def test_other_lists_and_scripts_are_refused(tmp_path: Path, settings: Settings) -> None:
    clip(tmp_path / "secret.mp4", frames=5)
    for name, content in (
        ("concat.mp4", "ffconcat version 1.0\nfile secret.mp4\n"),
        ("page.mp4", "<!DOCTYPE html><html><body>404</body></html>" * 200),
        ("dash.mp4", '<?xml version="1.0"?><MPD><Period><AdaptationSet/></Period></MPD>'),
        ("svg.png", '<svg xmlns="http://www.w3.org/2000/svg"><image href="secret.mp4"/></svg>'),
        ("empty.mp4", ""),
        ("random.mp4", "\x01\x7f" * 50_000),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(SourceNotMedia):
            probed(tmp_path / name, settings)


def test_truncated_files_are_corrupt(tmp_path: Path, settings: Settings) -> None:
    noise = np.random.default_rng(3)
    busy = lambda n, w, h: noise.integers(0, 255, (h, w, 3), dtype=np.uint8)  # noqa: E731
    whole = clip(tmp_path / "v.mp4", frames=8, picture=busy).path
    ffmpeg("-i", whole, "-c", "copy", "-movflags", "+faststart", tmp_path / "fast.mp4")
    (tmp_path / "no_index.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    fast = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "no_end.mp4").write_bytes(fast[: len(fast) * 2 // 3])
    (tmp_path / "few_bytes.mp4").write_bytes(fast[:200])
    for name in ("no_index", "no_end", "few_bytes"):
        with pytest.raises(SourceCorrupt):
            probed(tmp_path / f"{name}.mp4", settings)
    assert probed(tmp_path / "fast.mp4", settings).video is not None


def test_a_cut_picture_header_is_corrupt(tmp_path: Path, settings: Settings) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "p.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "p.png").read_bytes()[:20])
    with pytest.raises(SourceCorrupt):
        probed(tmp_path / "cut.png", settings)


def test_what_is_too_large_is_refused_from_its_header(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(SourceOverLimits, match="20000 x 20000"):
        probed(huge_png(tmp_path / "bomb.png", 20_000), settings)
    path = clip(tmp_path / "v.mp4", frames=30).path
    with pytest.raises(SourceOverLimits, match="320 x 180"):
        inspection.ask("look", path, InspectLimits(max_pixels=320 * 180 - 1))
    with pytest.raises(SourceOverLimits, match="lasts"):
        inspection.ask("look", path, InspectLimits(max_duration_s=0))


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        inspection.ask("look", tmp_path / "nothing.mp4", InspectLimits())


def test_limits_end_the_fork_and_not_the_server(tmp_path: Path) -> None:
    path = clip(tmp_path / "v.mp4", frames=5).path
    assert inspection.ask("look", path, InspectLimits())["format"]
    (server,) = [each.process.pid for each in inspection._servers]
    with pytest.raises(SourceError):
        inspection.ask("look", path, InspectLimits(memory_bytes=1 << 20))
    os.mkfifo(tmp_path / "never.mp4")  # opening it for reading never returns
    with pytest.raises(SourceCorrupt, match="too long"):
        inspection.ask("look", tmp_path / "never.mp4", InspectLimits(wall_s=0.3))
    assert psutil.wait_procs(psutil.Process(server).children(), timeout=10)[1] == []  # the fork has ended itself
    assert inspection.ask("look", path, InspectLimits())["format"]
    assert [each.process.pid for each in inspection._servers] == [server]


def test_a_killed_server_is_replaced(tmp_path: Path) -> None:
    path = clip(tmp_path / "v.mp4", frames=5).path
    inspection.ask("look", path, InspectLimits())
    (server,) = inspection._servers
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    assert inspection.ask("look", path, InspectLimits())["format"]


def test_answers_are_remembered_by_content(tmp_path: Path, settings: Settings) -> None:
    path = clip(tmp_path / "v.mp4", frames=5).path
    first = probed(path, settings)
    (remembered,) = (settings.home / "probes").iterdir()
    assert MediaInfo.from_dict(json.loads(remembered.read_text())) == first
    assert probe(tmp_path / "no such file", first.sha256, settings=settings) == first


IN_A_POOL_CHILD = """
import sys
from pathlib import Path
import billiard
from orchestrator_tasks.ffmpeg import inspection
from orchestrator_tasks.ffmpeg.inspection import InspectLimits

def child(path, pipe):
    answers = [inspection.ask("look", Path(path), InspectLimits())["format"] for _ in range(2)]
    pipe.send((billiard.current_process().daemon, answers))

if __name__ == "__main__":
    if sys.argv[2] == "warm":
        inspection.warm()
    ours, theirs = billiard.Pipe()
    process = billiard.Process(target=child, args=(sys.argv[1], theirs), daemon=True)
    process.start()
    print(ours.recv())
    process.join()
"""


@pytest.mark.parametrize("parent", ["cold", "warm"])
def test_it_works_in_a_daemonic_pool_child(parent: str, tmp_path: Path) -> None:
    path = clip(tmp_path / "v.mp4", frames=5).path
    run = [sys.executable, "-c", IN_A_POOL_CHILD, str(path), parent]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str((True, ["mov,mp4,m4a,3gp,3g2,mj2"] * 2)), done.stderr


def test_the_server_ends_with_its_owner(tmp_path: Path) -> None:
    script = (
        "from orchestrator_tasks.ffmpeg import inspection; inspection.warm();"
        "print(inspection._servers[0].process.pid, flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
        server.wait(timeout=20)
    assert not server.is_running()
