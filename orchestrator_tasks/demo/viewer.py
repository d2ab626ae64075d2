"""What a reader that had no part in rendering sees in a file: its facts and a sheet of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SHEET = 3  # pictures a side


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A file as PyAV decodes it, every frame counted."""

    size_bytes: int
    duration: Fraction  # s, of the container
    video_codec: str
    width: int
    height: int
    pix_fmt: str
    frame_rate: Fraction
    frames: int
    audio_codec: str | None
    sample_rate: int
    channels: int
    samples: int
    peak: float  # loudest sample, 1 = full scale

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each fact, to print."""
        length = self.samples / self.sample_rate if self.sample_rate else 0.0
        form = f"{self.audio_codec}, {self.sample_rate} Hz, {self.channels} channels"
        sound = f"{form}, {length:.3f} s, peak {self.peak:.2f}"
        return [
            ("size", f"{self.size_bytes / 1e6:.2f} MB"),
            ("duration", f"{float(self.duration):.3f} s"),
            ("picture", f"{self.width}x{self.height}, {self.video_codec}, {self.pix_fmt}"),
            ("frames", f"{self.frames} decoded, {float(self.frame_rate):g} a second"),
            ("sound", sound if self.audio_codec else "none"),
        ]


def facts(path: Path) -> Facts:
    """Decode all of `path` and say what is in it. Raises av.FFmpegError for a file it cannot read."""
    with av.open(path) as file:
        video = file.streams.video[0]
        audio = next(iter(file.streams.audio), None)
        frames = samples = 0
        peak = 0.0
        for frame in file.decode(*filter(None, [video, audio])):
            if isinstance(frame, av.VideoFrame):
                frames += 1
            elif isinstance(frame, av.AudioFrame):
                samples += frame.samples
                peak = max(peak, float(np.abs(frame.to_ndarray()).max()))
        return Facts(
            size_bytes=path.stat().st_size, duration=Fraction(file.duration or 0, av.time_base),
            video_codec=video.codec_context.name, width=video.width, height=video.height,
            pix_fmt=str(video.codec_context.pix_fmt), frame_rate=Fraction(video.average_rate or 0), frames=frames,
            audio_codec=audio.codec_context.name if audio else None, sample_rate=audio.rate if audio else 0,
            channels=audio.channels if audio else 0, samples=samples, peak=peak,
        )  # fmt: skip


def contact_sheet(path: Path, target: Path, width: int = 1920) -> None:
    """Write nine frames of `path`, spread evenly and stamped with their times, as one picture."""
    pictures = _spread(path, SHEET * SHEET)
    tile = (width // SHEET, width // SHEET * pictures[0][1].height // pictures[0][1].width)
    sheet = Image.new("RGB", (tile[0] * SHEET, tile[1] * SHEET))
    for index, (time_s, picture) in enumerate(pictures):
        small = picture.resize(tile, Image.Resampling.LANCZOS)
        _stamp(small, f"{time_s:.2f} s")
        sheet.paste(small, (index % SHEET * tile[0], index // SHEET * tile[1]))
    sheet.save(target)


def _spread(path: Path, count: int) -> list[tuple[float, Image.Image]]:
    with av.open(path) as file:
        total = (file.duration or 0) / av.time_base
        wanted = [total * (index + 0.5) / count for index in range(count)]
        found: list[tuple[float, Image.Image]] = []
        for frame in file.decode(video=0):
            if len(found) < count and frame.time is not None and frame.time >= wanted[len(found)]:
                found.append((frame.time, Image.fromarray(frame.to_ndarray(format="rgb24"))))
    return found


def _stamp(picture: Image.Image, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=22)
    left, top, right, bottom = draw.textbbox((10, 8), text, font=font)
    draw.rectangle((left - 6, top - 4, right + 6, bottom + 4), fill=(0, 0, 0))
    draw.text((10, 8), text, font=font, fill="white")
