"""Which FFmpeg renders, and what exactly it is. Runs nothing but `ffmpeg -version`."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg

from workflows.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One FFmpeg program: where it is, its version word, and a hash over all it says of how it was built."""

    path: Path
    version: str
    fingerprint: str


def locate(setting: str = "") -> Path:
    """The FFmpeg to run: the one the setting names, else the pinned one of the installation."""
    return Path(setting) if setting else Path(imageio_ffmpeg.get_ffmpeg_exe())


@cache
def describe(path: Path) -> Build:
    """Version and build of the program at `path`. Raises Unavailable when it does not run."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=10, check=True, env={})
    except (OSError, subprocess.SubprocessError) as err:
        raise Unavailable(f"FFmpeg does not run: {err}", remedy="Check the FFMPEG setting.") from err
    return Build(
        path=path,
        version=done.stdout.split()[2],
        fingerprint=hashlib.sha256(done.stdout.encode()).hexdigest()[:16],
    )
