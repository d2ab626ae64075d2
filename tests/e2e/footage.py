"""Media made by FFmpeg's own generators, and frames read back by PyAV: nothing here uses the code under test."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from PIL import Image

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


def generate(path: Path, picture: str, *options: str, sound: str | None = None) -> Path:
    """Write what lavfi sources make. `picture` and `sound` are filter descriptions."""
    inputs = ["-f", "lavfi", "-i", picture] + (["-f", "lavfi", "-i", sound, "-c:a", "aac"] if sound else [])
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *inputs, *(options or (*X264, *BT709)), str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return path


def flat(path: Path, size: tuple[int, int], color: tuple[int, int, int], seconds: float, rate: int = 30) -> Path:
    """A clip of one colour, written so that its BT.709 values are the colour's."""
    wanted = f"color=c=0x{bytes(color).hex()}:s={size[0]}x{size[1]}:r={rate}:d={seconds}"
    return generate(path, f"{wanted},format=rgb24,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p")


def still(path: Path, size: tuple[int, int], color: tuple[int, ...]) -> Path:
    """A picture of one colour."""
    Image.new("RGBA" if len(color) == 4 else "RGB", size, color).save(path)
    return path


def huge_png(path: Path, side: int) -> Path:
    """A correct PNG of side x side grey pixels in a few hundred kilobytes: what a decompression bomb is."""
    row, packer = b"\0" + b"\x80" * side, zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b""))
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pictures(path: Path) -> Iterator[np.ndarray]:
    """Every frame as RGB (height, width, 3), by PyAV, with the BT.709 matrix."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709")


def frames_at(path: Path, *numbers: int) -> dict[int, np.ndarray]:
    """The frames with these numbers."""
    return {number: picture for number, picture in enumerate(pictures(path)) if number in numbers}


def facts(path: Path) -> tuple[tuple[int, int], int, Fraction | None, list[str]]:
    """Size, decoded frames, frame rate and kinds of streams of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        size, rate = (stream.width, stream.height), stream.average_rate
        kinds = [each.type for each in container.streams]
        return size, sum(1 for _ in container.decode(stream)), rate, kinds


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two pictures, in levels of 255."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def color_of(picture: np.ndarray, x: int, y: int, reach: int = 2) -> np.ndarray:
    """The mean colour of a small square around a point."""
    return picture[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3).mean(0)
