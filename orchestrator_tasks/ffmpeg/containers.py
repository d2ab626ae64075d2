"""The file each output format is: its muxer, its sound, and how exactly it can be checked. One line a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from orchestrator_tasks.ffmpeg import encoders

_RATE = 48_000
NTH_MS = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How a format is written, and how coarse its clock is: times read back may be off by `clock_s`.

    `sound_frame_s` is the longest its sound may end apart from the picture: a frame of its codec.
    """

    muxer: str
    demuxer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sound: Callable[[], dict[str, Any]] = encoders.aac
    sound_frame_s: Fraction = Fraction(1024, _RATE)
    clock_s: Fraction = Fraction(0)
    timescale: bool = False  # whether it has one for its picture


CONTAINERS: Mapping[str, Container] = {
    "mp4": Container(muxer="mp4", demuxer="mov", options={"movflags": "+faststart"}, timescale=True),
    "webm": Container(
        muxer="webm", demuxer="matroska", sound=encoders.opus, sound_frame_s=Fraction(21, 1000), clock_s=NTH_MS,
    ),
    "mov": Container(
        muxer="mov", demuxer="mov", options={"movflags": "+faststart"}, timescale=True, sound=encoders.pcm,
        sound_frame_s=Fraction(1, _RATE),
    ),
    "gif": Container(muxer="gif", demuxer="gif"),
    "png": Container(muxer="image2", demuxer="png_pipe", options={"update": 1}),
    "jpg": Container(muxer="image2", demuxer="jpeg_pipe", options={"update": 1}),
    # Encoder delay and padding come on top of the sound: up to three frames of 1152 samples.
    "mp3": Container(
        muxer="mp3", demuxer="mp3", options={"id3v2_version": 0}, sound=encoders.mp3,
        sound_frame_s=Fraction(3 * 1152, _RATE),
    ),
    "wav": Container(muxer="wav", demuxer="wav", sound=encoders.pcm, sound_frame_s=Fraction(1, _RATE)),
}  # fmt: skip


def options(name: str, rate: Fraction, *, loop: bool) -> dict[str, Any]:
    """Output options of the file. Raises KeyError for a format that is not one."""
    found = CONTAINERS[name]
    # No -frames:v or -t: the graph ends picture and sound itself, to the frame and the sample; -frames:v cuts sound.
    common = {"f": found.muxer, **found.options, "map_metadata": -1, "fflags": "+bitexact"}
    if found.timescale:
        common["video_track_timescale"] = encoders.timescale(rate)
    if name == "gif":
        common |= {"loop": 0 if loop else -1, "final_delay": round(100 / rate)}
    return common
