"""Reads what `ffmpeg -progress` writes: key=value lines, each report closed by a `progress=` line. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a render is. `fraction` only ever rises, and is 1 only when FFmpeg has closed the file."""

    frame: int
    out_time_s: float
    speed: float  # seconds of output per second; 0 = not known yet
    fraction: float


@dataclass(slots=True, kw_only=True)
class ProgressReader:
    """Turns bytes as they arrive into reports, for a render of `frames` frames."""

    frames: int
    rest: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)
    best: float = 0.0

    def feed(self, data: bytes) -> list[Progress]:
        """The reports that `data` completes."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [report for line in lines if (report := self._line(line.decode("ascii", "replace")))]

    def _line(self, line: str) -> Progress | None:
        key, _, value = line.partition("=")
        if key != "progress":
            self.fields[key] = value.strip()
            return None
        report = self._report(done=value.strip() == "end")
        self.fields.clear()
        return report

    def _report(self, *, done: bool) -> Progress:
        frame = int(_number(self.fields.get("frame", "")))
        reached = min(0.99, frame / self.frames)
        self.best = max(self.best, 1.0 if done else reached)
        return Progress(
            frame=frame,
            out_time_s=_number(self.fields.get("out_time_us", "")) / 1_000_000,
            speed=_number(self.fields.get("speed", "").rstrip("x")),
            fraction=self.best,
        )


def _number(text: str) -> float:
    """FFmpeg says N/A until it knows."""
    try:
        return float(text)
    except ValueError:
        return 0.0
