"""`python -m bench [--pairs 9] [--quick]`: see the package. STRICT=1 exits with 1 on a missed goal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from bench.contenders import BenchError
from bench.goals import GOALS, judge
from bench.pairs import Options, Pair, measure
from bench.report import as_json, table
from orchestrator_tasks.demo.stack import StackError, stop_on_sigterm
from workflows.client import ApiError
from workflows.errors import OrchestratorError

MOVIEPY = Path("build/moviepy")
REQUIREMENTS = Path("bench/moviepy.txt")


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), default=9, show_default=True, help="Interleaved pairs; 9 or more.")
@click.option("--moviepy-runs", type=click.IntRange(min=0), default=2, show_default=True, help="Pairs with MoviePy.")
@click.option("--seconds", type=click.FloatRange(2, 20), default=10.0, show_default=True, help="Timeline's length.")
@click.option("--quick", is_flag=True, help="3 pairs, MoviePy once: a look, not a measurement.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/bench.json"), show_default=True)
def main(*, pairs: int, moviepy_runs: int, seconds: float, quick: bool, output: Path) -> None:
    """Measure the system against the best hand-written FFmpeg command and MoviePy 2."""
    stop_on_sigterm()
    console = Console(soft_wrap=True)
    if quick:
        pairs, moviepy_runs = 3, min(moviepy_runs, 1)
    library = installed_moviepy(console) if moviepy_runs else None
    try:
        options = Options(pairs=pairs, moviepy_runs=moviepy_runs, seconds=seconds, library=library)
        measured = measure(options, console)
    except (BenchError, StackError, ApiError, OrchestratorError) as err:
        console.print(f"The benchmark failed: {err}", style="red")
        console.print(getattr(err, "log", ""), markup=False, highlight=False)
        sys.exit(2)
    sys.exit(conclude(measured, seconds, output, console))


def conclude(measured: list[Pair], seconds: float, output: Path, console: Console) -> int:
    """Judge, print and keep what was measured; the exit code."""
    numbers = [pair.measures() for pair in measured]
    verdicts = [judge(goal, [found[goal.measure] for found in numbers if goal.measure in found]) for goal in GOALS]
    console.print(table(verdicts, measured))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(as_json(verdicts, measured, seconds), indent=2) + "\n")
    console.print(f"Written to {output}.", highlight=False)
    return int(os.environ.get("STRICT") == "1" and any(verdict.missed for verdict in verdicts))


def installed_moviepy(console: Console) -> Path | None:
    """Where MoviePy is, or None after saying how to install it. Its Pillow is older than ours, so it lives apart."""
    if (MOVIEPY / "moviepy").is_dir():
        return MOVIEPY.resolve()
    console.print(f"MoviePy is left out: it is not in {MOVIEPY}. To install it there:")
    console.print(f"  {sys.executable} -m pip install --target {MOVIEPY} -r {REQUIREMENTS}", highlight=False)
    return None


if __name__ == "__main__":
    main()
