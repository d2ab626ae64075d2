"""The structural check after every render: streams, size, frames, times. Reads packets, decodes nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from orchestrator_tasks.checks.model import Check
from orchestrator_tasks.ffmpeg import inspection
from orchestrator_tasks.ffmpeg.command import RenderCommand
from orchestrator_tasks.ffmpeg.inspection import InspectLimits
from workflows.errors import SourceError

AAC_FRAME_S = Fraction(1024, 48_000)


def check(command: RenderCommand) -> tuple[Check, ...]:
    """Whether the file the command wrote has what it must have. PyAV reads it, not the FFmpeg that wrote it."""
    limits = InspectLimits(cpu_s=120, wall_s=120)
    try:
        found = inspection.ask("count", command.out, limits)
    except SourceError as err:
        return (Check(name="readable", ok=False, detail=err.message),)
    return (Check(name="readable", ok=True, detail=found["format"]), *compare(command, found["streams"]))


def compare(command: RenderCommand, streams: list[dict[str, Any]]) -> tuple[Check, ...]:
    """The expected against the counted streams."""
    video = [stream for stream in streams if stream["type"] == "video"]
    audio = [stream for stream in streams if stream["type"] == "audio"]
    wanted = (1, int(command.has_audio))
    layout = Check(
        name="streams",
        ok=(len(video), len(audio)) == wanted and len(streams) == sum(wanted),
        detail=f"{len(video)} picture, {len(audio)} sound, {len(streams)} in all; wanted {wanted[0]} and {wanted[1]}",
    )
    if not layout.ok:
        return (layout,)
    return (layout, *_picture(command, video[0]), *(_sound(command, video[0], stream) for stream in audio))


def _picture(command: RenderCommand, stream: dict[str, Any]) -> tuple[Check, ...]:
    rate = Fraction(stream["rate"] or 0)
    start, end = Fraction(stream["start"] or 0), Fraction(stream["end"] or 0)
    size = (stream["width"], stream["height"])
    return (
        _equal("frames", stream["packets"], command.frames),
        _equal("frame_rate", rate, command.frame_rate),
        _equal("start", start, Fraction(0)),
        _equal("duration", end - start, command.duration),
        _equal("size", size, (command.width, command.height)),
    )


def _sound(command: RenderCommand, picture: dict[str, Any], stream: dict[str, Any]) -> Check:
    apart = abs(Fraction(stream["end"] or 0) - Fraction(picture["end"] or 0))
    return Check(
        name="sound_end",
        ok=apart <= AAC_FRAME_S,
        detail=f"sound ends {float(apart) * 1000:.1f} ms from the picture's end",
    )


def _equal(name: str, found: Any, wanted: Any) -> Check:
    return Check(name=name, ok=found == wanted, detail=f"found {found}, wanted {wanted}")
