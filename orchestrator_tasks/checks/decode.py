"""The QA gate: decode the whole file and compare what is seen and heard with what the timeline says.

One FFmpeg pass measures; each check below is a function of the measurements and the timeline. Only an undecodable
file fails; darkness, standing pictures and silence may be what the sources are like, so they are warnings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import ffmpeg

from orchestrator_tasks.checks.model import Check
from orchestrator_tasks.ffmpeg import binary, colour
from orchestrator_tasks.ffmpeg.command import Command
from orchestrator_tasks.ffmpeg.containers import CONTAINERS
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.progress import Progress
from orchestrator_tasks.ffmpeg.run import run
from workflows.errors import RenderFailed, SourceCorrupt
from workflows.settings import Settings
from workflows.spec.timeline import Layer, Timeline

Window = tuple[float, float]  # seconds: from, to
BLACK_S, FREEZE_S, SILENCE_S = 0.5, 2.0, 1.0  # shorter ones are not looked at
_KEPT_LINES = 20_000
_EVENTS = {
    "black": re.compile(r"black_start:(?P<start>[\d.]+) black_end:(?P<end>[\d.]+)"),
    "frozen": re.compile(r"freeze_(?P<edge>start|end): (?P<at>[\d.]+)"),
    "silent": re.compile(r"silence_(?P<edge>start|end): (?P<at>[\d.]+)"),
}
_LOUDNESS = re.compile(r"^\s*(?P<name>I|LRA|Peak):\s+(?P<value>-?[\d.]+|-inf|nan)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one pass over a file found. Windows in seconds; loudness after EBU R 128."""

    errors: tuple[str, ...]
    black: tuple[Window, ...]
    frozen: tuple[Window, ...]
    silent: tuple[Window, ...]
    loudness: dict[str, float]  # I (LUFS), LRA (LU), Peak (dBTP); empty without sound


def decode_checks(
    path: Path,
    timeline: Timeline,
    *,
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> tuple[Check, ...]:
    """Every check of the gate, for the file rendered from `timeline`. Raises Cancelled when stopped."""
    program = binary.locate((settings or Settings()).ffmpeg)
    found = measure(path, timeline, program, on_progress=on_progress, should_stop=should_stop)
    return tuple(check(found, timeline) for check in CHECKS.values())


def measure(
    path: Path,
    timeline: Timeline,
    program: Path,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> Measured:
    """Decode all of `path` once; its suffix names its format."""
    command = Command(
        argv=_argv(path, program, picture=timeline.width > 0, sound=bool(timeline.sounds)),
        frames=timeline.frames,
        inputs=(),
        limits=Limits(),
    )
    try:
        report = run(command, on_progress=on_progress, should_stop=should_stop, keep_lines=_KEPT_LINES)
    except (RenderFailed, SourceCorrupt) as err:
        return Measured(
            errors=_errors(err.details["stderr"]) or (err.message,), black=(), frozen=(), silent=(), loudness={}
        )
    return replace(_read(report.stderr_tail, float(timeline.duration)), errors=_errors(report.stderr_tail))


def _argv(path: Path, program: Path, *, picture: bool, sound: bool) -> tuple[str, ...]:
    demuxer = CONTAINERS[path.suffix.removeprefix(".")].demuxer
    source = ffmpeg.input(f"file:{path.absolute()}", f=demuxer, protocol_whitelist="file", err_detect="explode")
    streams = []
    if picture:
        seen = source["V:0"].filter("blackdetect", d=BLACK_S, pix_th=0.08)
        streams.append(seen.filter("freezedetect", n="-60dB", d=FREEZE_S))
    if sound:
        heard = source["a:0"].filter("silencedetect", n="-60dB", d=SILENCE_S)
        streams.append(heard.filter("ebur128", peak="true", framelog="quiet"))
    arguments = ffmpeg.get_args(ffmpeg.output(*streams, "-", f="null"))
    loud = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info", "-xerror"]
    return (str(program), *loud, "-progress", "pipe:1", "-stats_period", "0.25", *arguments)


def _errors(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if "[error]" in line or "[fatal]" in line)


def _read(lines: Iterable[str], end: float) -> Measured:
    text = "\n".join(lines)
    loudness = {match["name"]: float(match["value"]) for match in _LOUDNESS.finditer(text)}
    return Measured(
        errors=(),
        black=tuple((float(match["start"]), float(match["end"])) for match in _EVENTS["black"].finditer(text)),
        frozen=_paired("frozen", text, end),
        silent=_paired("silent", text, end),
        loudness=loudness,
    )


def _paired(name: str, text: str, end: float) -> tuple[Window, ...]:
    """Starts with their ends; the last may have none, since the file ends first."""
    windows: list[Window] = []
    start: float | None = None
    for match in _EVENTS[name].finditer(text):
        if match["edge"] == "start":
            start = float(match["at"])
        elif start is not None:
            windows.append((start, float(match["at"])))
            start = None
    return tuple(windows if start is None else [*windows, (start, end)])


def decodes(found: Measured, _: Timeline) -> Check:
    """Every packet decodes without an error."""
    return Check(name="decodes", ok=not found.errors, detail="; ".join(found.errors[:3]) or "no decode error")


def not_black(found: Measured, timeline: Timeline) -> Check:
    """Where something should be seen, the picture is not black."""
    shown = [_window(layer, timeline) for layer in timeline.layers if _visible(layer)]
    *fill, alpha = colour.parse(timeline.fill_color)
    if any(fill) and alpha:
        shown.append((0.0, float(timeline.duration)))
    return _absent("not_black", found.black, shown, BLACK_S, "black")


def not_frozen(found: Measured, timeline: Timeline) -> Check:
    """Where a video plays, the picture moves."""
    playing = [_window(layer, timeline) for layer in timeline.layers if _visible(layer) and layer.kind == "video"]
    return _absent("not_frozen", found.frozen, playing, FREEZE_S, "standing still")


def not_silent(found: Measured, timeline: Timeline) -> Check:
    """Where a sound plays, something is heard."""
    heard = [
        (float(sound.start + sound.fade_in), float(sound.start + sound.duration - sound.fade_out))
        for sound in timeline.sounds
        if sound.volume > 0
    ]
    return _absent("not_silent", found.silent, heard, SILENCE_S, "silent")


def loudness(found: Measured, _: Timeline) -> Check:
    """How loud it is, and whether it passes full scale."""
    if not found.loudness:
        return Check(name="loudness", ok=True, level="warn", detail="no sound")
    peak = found.loudness.get("Peak", float("-inf"))
    words = ", ".join(f"{name} {value:.1f}" for name, value in found.loudness.items())
    return Check(name="loudness", ok=peak <= 0, level="warn", detail=f"{words} (LUFS, LU, dBTP)")


CHECKS: dict[str, Callable[[Measured, Timeline], Check]] = {
    "decodes": decodes,
    "not_black": not_black,
    "not_frozen": not_frozen,
    "not_silent": not_silent,
    "loudness": loudness,
}


def _visible(layer: Layer) -> bool:
    return layer.opacity > 0 and layer.frames > 0


def _window(layer: Layer, timeline: Timeline) -> Window:
    """When the layer is whole: its fades are left out."""
    first, last = layer.start + layer.fade_in, layer.start + layer.frames - layer.fade_out
    return float(first / timeline.frame_rate), float(last / timeline.frame_rate)


def _absent(name: str, found: Iterable[Window], wanted: Iterable[Window], least_s: float, word: str) -> Check:
    """A warning when a found window lies over a wanted one for at least `least_s`."""
    wanted = list(wanted)
    overlaps = [(max(a, c), min(b, d)) for a, b in found for c, d in wanted]
    wrong = sorted({(start, end) for start, end in overlaps if end - start >= least_s - 0.05})
    detail = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in wrong[:5])
    return Check(name=name, ok=not wrong, level="warn", detail=f"{word}: {detail}" if wrong else f"never {word}")
