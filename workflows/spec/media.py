"""What a probe knows of a media file. Pure values; the probe itself is `orchestrator_tasks.ffmpeg.probe`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStream:
    """The picture stream of a file. Sizes are in pixels as displayed: after rotation and sample aspect ratio."""

    codec: str
    width: int
    height: int
    frame_rate: Fraction | None  # None for a still
    frames: int | None  # as the container says; None when it does not
    rotation: int  # degrees clockwise, a multiple of 90
    pix_fmt: str
    alpha: bool
    sample_aspect_ratio: Fraction
    color_space: str | None
    color_transfer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStream:
    """The sound stream of a file."""

    codec: str
    sample_rate: int  # Hz
    channels: int
    duration: Fraction | None  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """One probed source. `duration` is None for a still picture."""

    sha256: str
    size_bytes: int
    format: str  # demuxer name, such as "mov,mp4,m4a,3gp,3g2,mj2"
    duration: Fraction | None  # s
    video: VideoStream | None
    audio: AudioStream | None

    def as_dict(self) -> dict[str, Any]:
        """JSON form, for the ledger; fractions as "n/d" strings."""
        return cast(dict[str, Any], _encode(asdict(self)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MediaInfo:
        """The value `as_dict` wrote."""
        video, audio = data["video"], data["audio"]
        return cls(
            sha256=data["sha256"],
            size_bytes=data["size_bytes"],
            format=data["format"],
            duration=_fraction(data["duration"]),
            video=video
            and VideoStream(
                **{
                    **video,
                    "frame_rate": _fraction(video["frame_rate"]),
                    "sample_aspect_ratio": Fraction(video["sample_aspect_ratio"]),
                }
            ),
            audio=audio and AudioStream(**{**audio, "duration": _fraction(audio["duration"])}),
        )


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _encode(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    return value
