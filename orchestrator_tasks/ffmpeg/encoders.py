"""How a plan's encoder settings read on FFmpeg's command line. One function a codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from workflows.errors import RenderFailed
from workflows.planning.model import Encoder

AUDIO_BIT_RATE = "128k"
_TIMESCALE_FROM = 10_000


def h264(encoder: Encoder, rate: Fraction) -> dict[str, Any]:
    """x264. Its output depends on the thread count, which the plan therefore fixes."""
    return {
        "c:v": "libx264",
        "preset": encoder.preset,
        "crf": encoder.crf,
        "threads:v": encoder.threads,
        "pix_fmt": "yuv420p",
        "video_track_timescale": timescale(rate),
    }


ENCODERS: Mapping[str, Callable[[Encoder, Fraction], dict[str, Any]]] = {"h264": h264}


def video_options(encoder: Encoder, rate: Fraction) -> dict[str, Any]:
    """Output options of the picture. Raises RenderFailed for a codec this build does not know."""
    if encoder.codec not in ENCODERS:
        raise RenderFailed(f"No encoder for {encoder.codec!r}; known: {', '.join(sorted(ENCODERS))}.")
    tags = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
    # The graph delivers exactly the frames of the output; FFmpeg must neither drop nor repeat any.
    return ENCODERS[encoder.codec](encoder, rate) | tags | {"fps_mode:v": "passthrough", "flags:v": "+bitexact"}


def audio_options() -> dict[str, Any]:
    """Output options of the sound: AAC."""
    return {"c:a": "aac", "b:a": AUDIO_BIT_RATE, "flags:a": "+bitexact"}


def timescale(rate: Fraction) -> int:
    """Ticks a second of the file's picture track, a multiple of the rate's numerator, so that frame times are exact."""
    scale = rate.numerator
    while scale < _TIMESCALE_FROM:
        scale *= 2
    return scale
