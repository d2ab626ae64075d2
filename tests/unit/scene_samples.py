"""Small scenes and probes for the tests of the pure core."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib.resources import files
from typing import Any

from workflows.spec.media import AudioStream, MediaInfo, VideoStream
from workflows.spec.schema import load
from workflows.spec.timeline import Timeline, resolve

URL = "https://example.com/a"


def example(name: str) -> dict[str, Any]:
    return json.loads((files("workflows.spec") / "examples" / f"{name}.json").read_text())


def video(**fields: Any) -> dict[str, Any]:
    return {"type": "video", "source": f"{URL}.mp4", **fields}


def image(**fields: Any) -> dict[str, Any]:
    return {"type": "image", "source": f"{URL}.png", **fields}


def text(**fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": "words", **fields}


def audio(**fields: Any) -> dict[str, Any]:
    return {"type": "audio", "source": f"{URL}.mp3", **fields}


def job(*elements: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"elements": list(elements), **fields}


def scene(*elements: dict[str, Any], media: dict[str, MediaInfo] | None = None, **fields: Any) -> Timeline:
    return resolve(load(job(*elements, **fields)), media or {})


def probe(
    *,
    size: tuple[int, int] | None = (1920, 1080),
    seconds: str | None = "10",
    rate: str | None = "30",
    frames: int | None = None,
    sound: str | None = "10",
    alpha: bool = False,
    container: str = "mov,mp4,m4a,3gp,3g2,mj2",
) -> MediaInfo:
    """A probe result; `sound` is the sound's length, None for a silent file."""
    picture = size and VideoStream(
        codec="h264",
        width=size[0],
        height=size[1],
        frame_rate=Fraction(rate) if rate else None,
        frames=frames,
        rotation=0,
        pix_fmt="yuv420p",
        alpha=alpha,
        sample_aspect_ratio=Fraction(1),
        color_space=None,
        color_transfer=None,
    )
    stream = sound and AudioStream(codec="aac", sample_rate=48000, channels=2, duration=Fraction(sound))
    return MediaInfo(
        sha256="0" * 64,
        size_bytes=1_000_000,
        format=container,
        duration=Fraction(seconds) if seconds else None,
        video=picture or None,
        audio=stream or None,
    )


def still(width: int, height: int, *, alpha: bool = False) -> MediaInfo:
    return probe(size=(width, height), seconds=None, rate=None, sound=None, alpha=alpha, container="png_pipe")


def layer_of(timeline: Timeline, element_id: str) -> Any:
    return next(layer for layer in timeline.layers if layer.element_id == element_id)


def sound_of(timeline: Timeline, element_id: str) -> Any:
    return next((sound for sound in timeline.sounds if sound.element_id == element_id), None)


def box_of(timeline: Timeline, element_id: str) -> tuple[int, int, int, int]:
    box = layer_of(timeline, element_id).box
    return box.x, box.y, box.width, box.height


def frames_of(timeline: Timeline, element_id: str) -> tuple[int, int]:
    layer = layer_of(timeline, element_id)
    return layer.start, layer.start + layer.frames
