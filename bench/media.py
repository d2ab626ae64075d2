"""The benchmark's sources, made on the spot, and the layers the hand-written command gets ready-made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
from PIL import Image, ImageDraw, ImageFont

from bench.timeline import FPS, HEIGHT, LOGO, MEDIA_SECONDS, TITLE_SIZE, WIDTH, Run

NAMES = ("background.mp4", "inset.mp4", "logo.png", "music.wav")
_H264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "60", "-pix_fmt", "yuv420p"]
_AAC = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]


def ffmpeg() -> list[str]:
    """The same FFmpeg program the system renders with, quiet."""
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]


def make(folder: Path) -> dict[str, Path]:
    """Make the sources in `folder`: about 20 s of CPU. Name and path of each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in NAMES}
    span = ["-t", str(MEDIA_SECONDS)]
    _make(
        paths["background.mp4"], f"testsrc2=s={WIDTH}x{HEIGHT}:r={FPS}", "sine=f=440:r=48000",
        options=[*span, *_H264, *_AAC],
    )  # fmt: skip
    _make(
        paths["inset.mp4"], f"mandelbrot=s=1280x720:r={FPS}", "sine=f=220:r=48000", options=[*span, *_H264, *_AAC]
    )  # fmt: skip
    sweep = "0.3*sin(2*PI*(300+20*t)*t)|0.3*sin(2*PI*(200+10*t)*t)"
    _make(paths["music.wav"], f"aevalsrc={sweep}:s=48000", options=[*span, "-c:a", "pcm_s16le"])
    _logo().save(paths["logo.png"])
    return paths


def layers(folder: Path, run: Run) -> tuple[Path, Path]:
    """The logo at its size and opacity, and the run's title, as the hand-written command wants them."""
    logo, title = folder / "logo_half.png", folder / "title.png"
    half = _logo().resize((LOGO[2], LOGO[2]), Image.Resampling.LANCZOS)
    half.putalpha(half.getchannel("A").point(lambda value: value // 2))
    half.save(logo)
    font = ImageFont.load_default(size=TITLE_SIZE)
    _, _, right, bottom = font.getbbox(run.title)
    picture = Image.new("RGBA", (int(right) // 2 * 2 + 4, int(bottom) // 2 * 2 + 4), (255, 255, 255, 0))
    ImageDraw.Draw(picture).text((0, 0), run.title, font=font, fill="white")
    picture.save(title)
    return logo, title


def _make(path: Path, *inputs: str, options: list[str]) -> None:
    sources = [word for graph in inputs for word in ("-f", "lavfi", "-i", graph)]
    subprocess.run([*ffmpeg(), *sources, *options, str(path)], check=True)


def _logo() -> Image.Image:
    logo = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    draw = ImageDraw.Draw(logo)
    draw.ellipse((10, 10, 390, 390), fill=(220, 40, 60, 255))
    draw.rectangle((120, 120, 280, 280), fill=(255, 255, 255, 200))
    return logo
