"""The structural check after every render: streams, size, frames, times. Reads packets, decodes nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from orchestrator_tasks.checks.model import Check
from orchestrator_tasks.ffmpeg import inspection
from orchestrator_tasks.ffmpeg.command import RenderCommand
from orchestrator_tasks.ffmpeg.containers import CONTAINERS
from orchestrator_tasks.ffmpeg.inspection import InspectLimits
from workflows.errors import SourceError
from workflows.spec.outputs import OUTPUTS


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
    wanted = (int(command.width > 0), int(command.has_audio))
    layout = Check(
        name="streams",
        ok=(len(video), len(audio)) == wanted and len(streams) == sum(wanted),
        detail=f"{len(video)} picture, {len(audio)} sound, {len(streams)} in all; wanted {wanted[0]} and {wanted[1]}",
    )
    if not layout.ok:
        return (layout,)
    seen = (check for stream in video for check in _picture(command, stream))
    end = Fraction(video[0]["end"] or 0) if video else command.duration
    return (layout, *seen, *(_sound(command, end, stream) for stream in audio))


def _picture(command: RenderCommand, stream: dict[str, Any]) -> tuple[Check, ...]:
    rate = Fraction(stream["rate"] or 0)
    start, end = Fraction(stream["start"] or 0), Fraction(stream["end"] or 0)
    size = (stream["width"], stream["height"])
    whole = (
        _equal("frames", stream["packets"], command.frames),
        _equal("size", size, (command.width, command.height)),
    )
    if OUTPUTS[command.output_format].picture == "still":
        return whole
    clock = CONTAINERS[command.output_format].clock_s
    return (
        *whole,
        _near("frame_rate", 1 / rate if rate else Fraction(0), 1 / command.frame_rate, clock / max(1, command.frames)),
        _near("start", start, Fraction(0), clock),
        _near("duration", end - start, command.duration, 2 * clock),
    )


def _near(name: str, found: Fraction, wanted: Fraction, slack: Fraction) -> Check:
    """In seconds. A clock that is exact leaves no slack."""
    words = f"found {found} s, wanted {wanted} s"
    return Check(
        name=name, ok=abs(found - wanted) <= slack, detail=words + (f", {slack} s apart at most" if slack else "")
    )


def _sound(command: RenderCommand, picture_end: Fraction, stream: dict[str, Any]) -> Check:
    apart = abs(Fraction(stream["end"] or 0) - picture_end)
    return Check(
        name="sound_end",
        ok=apart <= CONTAINERS[command.output_format].sound_frame_s,
        detail=f"sound ends {float(apart) * 1000:.1f} ms from the picture's end",
    )


def _equal(name: str, found: Any, wanted: Any) -> Check:
    return Check(name=name, ok=found == wanted, detail=f"found {found}, wanted {wanted}")
