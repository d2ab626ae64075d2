"""What this machine can render, found out by trying, and how fast it does, measured in about two seconds."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator_tasks.ffmpeg import binary, fonts
from workflows.errors import Unavailable

# What a plan may ask for, and the FFmpeg encoder that stands for it.
TRIALS = {
    "h264": "libx264", "h265": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9", "prores": "prores_ks",
    "h264_nvenc": "h264_nvenc", "h265_nvenc": "hevc_nvenc", "aac": "aac", "opus": "libopus", "mp3": "libmp3lame",
}  # fmt: skip
SOUNDS = frozenset({"aac", "libopus", "libmp3lame"})
_TRIAL_S = 20
WIDTH, HEIGHT = 1280, 720
_MPX = WIDTH * HEIGHT / 1_000_000
FRAMES = 60  # of each measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the node can do. `encoders` are codec words that a trial encode proved."""

    ffmpeg: str
    fingerprint: str
    encoders: tuple[str, ...]
    fonts: dict[str, str]  # family -> SHA-256 of its file


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Million pixels per CPU second of each kind of work, and how many cores share it."""

    decode_mpx_s: float
    composite_mpx_s: float
    encode_mpx_s: float
    cores: int


def discover(setting: str = "") -> Capabilities:
    """What the FFmpeg of the setting can do on this machine. Raises Unavailable when it does not run."""
    build = binary.describe(binary.locate(setting))
    return Capabilities(
        ffmpeg=build.version,
        fingerprint=build.fingerprint,
        encoders=tuple(word for word, encoder in TRIALS.items() if can_encode(build.path, encoder)),
        fonts=fonts.hashes(),
    )


@cache
def can_encode(program: Path, encoder: str) -> bool:
    """Whether a tiny encode works: a listed encoder may still lack its device or driver."""
    source = "anullsrc=d=0.1" if encoder in SOUNDS else "color=black:s=256x256:r=10:d=0.2"
    kind = "a" if encoder in SOUNDS else "v"
    try:
        _cpu_s(program, ["-f", "lavfi", "-i", source, f"-c:{kind}", encoder, "-f", "null", "-"])
    except Unavailable:
        return False
    return True


def calibrate(setting: str = "") -> Speed:
    """How much the machine does per CPU second, on 2 s of 720p made on the spot."""
    program = binary.locate(setting)
    with tempfile.TemporaryDirectory(prefix="calibrate-") as folder:
        return _calibrated(program, Path(folder) / "clip.mp4")


def _calibrated(program: Path, clip: Path) -> Speed:
    """Each part by difference: making the test picture costs too, and so does starting FFmpeg."""
    pattern = ["-f", "lavfi", "-i", f"testsrc2=s={WIDTH}x{HEIGHT}:r=30,format=yuv420p"]
    frames = ["-frames:v", str(FRAMES)]
    nothing = ["-c:v", "wrapped_avframe", "-f", "null", "-"]
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-threads", "2", str(clip)]
    start_s = _cpu_s(program, ["-version"])
    drawn_s = _cpu_s(program, [*pattern, *frames, *nothing])
    encoded_s = _cpu_s(program, [*pattern, *frames, *encode])
    decoded_s = _cpu_s(program, ["-i", str(clip), *frames, *nothing])
    over = "[0:v]split[a][b];[b]format=yuva420p[c];[a][c]overlay"
    both_s = _cpu_s(program, ["-i", str(clip), "-filter_complex", over, *frames, *nothing])
    return Speed(
        decode_mpx_s=_per_second(decoded_s - start_s),
        composite_mpx_s=_per_second(both_s - decoded_s),
        encode_mpx_s=_per_second(encoded_s - drawn_s),
        cores=os.cpu_count() or 1,
    )


def _per_second(cpu_s: float) -> float:
    """Under 5 ms the clock says nothing more."""
    return round(FRAMES * _MPX / max(cpu_s, 0.005), 1)


def _cpu_s(program: Path, arguments: list[str]) -> float:
    """CPU seconds of one FFmpeg run. Raises Unavailable when it fails or hangs."""
    before = os.times()
    argv = [str(program), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments]
    try:
        subprocess.run(argv, capture_output=True, timeout=_TRIAL_S, check=True, env={})
    except (OSError, subprocess.SubprocessError) as err:
        raise Unavailable(f"FFmpeg failed a trial: {err}", remedy="Check the FFMPEG setting.") from err
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
