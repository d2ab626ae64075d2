"""How the benchmark's numbers are shown and kept."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
from rich.table import Table

from bench import contenders
from bench.goals import Verdict

if TYPE_CHECKING:
    from bench.pairs import Pair


def line(index: int, pair: Pair) -> str:
    """One pair, for those who watch."""
    numbers = (pair.ours.answer_s, pair.ours.render.wall_s, pair.ours.render.cpu_s, pair.best.wall_s, pair.best.cpu_s)
    answer, wall, cpu, best_wall, best_cpu = numbers
    moviepy = f"; MoviePy {pair.moviepy.wall_s:.2f} s" if pair.moviepy else ""
    ours = f"answer {answer:.2f} s, render {wall:.2f} s, {cpu:.2f} CPU s"
    return f"pair {index + 1}: {ours}; best {best_wall:.2f} s, {best_cpu:.2f} CPU s{moviepy}"


def table(verdicts: list[Verdict], measured: list[Pair]) -> Table:
    """The verdicts, to print."""
    shown = Table(
        title=f"{len(measured)} pairs; medians with bootstrap 90 % intervals; best = hand-written FFmpeg",
        title_justify="left",
    )
    for name in ("measure", "n", "median", "interval", "goal", "verdict"):
        shown.add_column(name, justify="left" if name in {"measure", "verdict"} else "right")
    for verdict in verdicts:
        goal = verdict.goal
        sign = "<=" if goal.better == "lower" else ">="
        bound = f"{sign} {goal.bound:g} {goal.unit}"
        if verdict.median is None:
            shown.add_row(goal.name, "0", "-", "-", bound, "not measured")
            continue
        digits = 0 if goal.unit == "ms" else 3
        span = f"{verdict.low:.{digits}f} .. {verdict.high:.{digits}f}"
        word = "MISSED" if verdict.missed else "met"
        shown.add_row(goal.name, str(len(verdict.values)), f"{verdict.median:.{digits}f}", span, bound, word)
    return shown


def as_json(verdicts: list[Verdict], measured: list[Pair], seconds: float) -> dict[str, Any]:
    """Everything, to keep."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()},
        "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
        "timeline_seconds": seconds,
        "goals": [
            {"name": v.goal.name, "bound": v.goal.bound, "better": v.goal.better, "median": v.median,
             "low": v.low, "high": v.high, "missed": v.missed, "values": v.values}
            for v in verdicts
        ],
        "pairs": [
            {"ours": contenders.as_numbers(p.ours), "best": contenders.as_numbers(p.best),
             "moviepy": contenders.as_numbers(p.moviepy) if p.moviepy else None}
            for p in measured
        ],
    }  # fmt: skip
