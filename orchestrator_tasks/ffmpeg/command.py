"""An FFmpeg command ready to run, and what it must produce. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from orchestrator_tasks.ffmpeg.inputs import InputFile, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderWarning:
    """Something the picture lacks though the render succeeds."""

    element_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the runner needs to know of any command."""

    argv: tuple[str, ...]
    frames: int  # it will report, for the fraction done
    inputs: tuple[InputFile, ...]  # in FFmpeg's numbering
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderCommand(Command):
    """A command that renders a timeline. Without a picture width and height are 0."""

    out: Path
    frame_rate: Fraction
    width: int
    height: int
    has_audio: bool
    output_format: str = "mp4"
    warnings: tuple[RenderWarning, ...]

    @property
    def duration(self) -> Fraction:
        """Seconds of output."""
        return self.frames / self.frame_rate
