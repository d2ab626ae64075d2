"""Sources made for the tests, whose every pixel and sample is known: nothing here uses the code under test."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

BARS = 8
DARK, LIGHT = 40, 210  # greys of a bar that says 0 or 1


def number_picture(n: int, width: int, height: int) -> np.ndarray:
    """Eight upright bars that spell `n` in binary, least bit left: a frame that carries its number."""
    picture = np.empty((height, width, 3), np.uint8)
    for bit in range(BARS):
        picture[:, bit * width // BARS : (bit + 1) * width // BARS] = LIGHT if n >> bit & 1 else DARK
    return picture


def read_number(luma: np.ndarray) -> int:
    """The number a picture's bars spell."""
    height, width = luma.shape
    middle = luma[height // 2]
    return sum(int(middle[(2 * bit + 1) * width // (2 * BARS)] > 125) << bit for bit in range(BARS))


def quarters(n: int, width: int, height: int) -> np.ndarray:
    """Four flat colours; the blue of all changes with `n`."""
    picture = np.empty((height, width, 3), np.uint8)
    blue = (n * 24) % 240
    picture[: height // 2, : width // 2] = (200, 40, blue)
    picture[: height // 2, width // 2 :] = (40, 190, blue)
    picture[height // 2 :, : width // 2] = (220, 220, blue)
    picture[height // 2 :, width // 2 :] = (90, 60, blue)
    return picture


def to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, U, V planes (float, full resolution) of an RGB picture: BT.709, limited range, by the standard's formulas."""
    red, green, blue = (rgb[..., i].astype(float) / 255 for i in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def _frame(rgb: np.ndarray) -> av.VideoFrame:
    height, width = rgb.shape[:2]
    luma, blue, red = to_yuv(rgb)
    planes = [luma, *(plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for plane in (blue, red))]
    flat = np.concatenate([np.rint(plane).astype(np.uint8).ravel() for plane in planes])
    return av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video source: frame n of the file at `path` looks like `picture(n, width, height)`."""

    path: Path
    width: int
    height: int
    rate: Fraction
    frames: int
    picture: Callable[[int, int, int], np.ndarray]

    def at(self, n: int) -> np.ndarray:
        """Frame n as RGBA; past the end, the last."""
        rgb = self.picture(min(n, self.frames - 1), self.width, self.height)
        return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def clip(
    path: Path,
    *,
    frames: int = 30,
    rate: Fraction | int = 30,
    size: tuple[int, int] = (320, 180),
    picture: Callable[[int, int, int], np.ndarray] = number_picture,
    gop: int = 12,
    sound: np.ndarray | None = None,
) -> Clip:
    """Write a lossless H.264 file with B frames and several groups of pictures; `sound` is added as AAC."""
    rate = Fraction(rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"preset": "veryfast", "crf": "0", "bf": "2", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", gop
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1
        heard = container.add_stream("aac", rate=48000, layout="stereo") if sound is not None else None
        for n in range(frames):
            frame = _frame(picture(n, *size))
            frame.pts, frame.time_base = n, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if heard is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound.T.astype(np.float32)), format="fltp", layout="stereo"
            )
            block.sample_rate, block.pts = 48000, 0
            container.mux(heard.encode(block))
            container.mux(heard.encode())
    return Clip(path=path, width=size[0], height=size[1], rate=rate, frames=frames, picture=picture)


@dataclass(frozen=True, kw_only=True)
class Still:
    """An image source."""

    path: Path
    pixels: np.ndarray  # RGBA

    def at(self, _: int) -> np.ndarray:
        """The picture, at any time."""
        return self.pixels


def still(path: Path, pixels: np.ndarray) -> Still:
    """Write RGBA pixels as PNG."""
    Image.fromarray(pixels, "RGBA").save(path)
    return Still(path=path, pixels=pixels)


def wav(path: Path, samples: np.ndarray, rate: int = 48000) -> np.ndarray:
    """Write float samples (n x channels) as 16-bit WAV; returns what the file now holds."""
    coded = np.rint(samples * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(coded.tobytes())
    return coded / 32768


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
