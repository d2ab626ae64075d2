"""Measuring in pairs: neighbours in time share the host's mood, so their ratio says more than their seconds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench import contenders, media
from bench.check import compare
from bench.contenders import BenchError, Cost, Ours
from bench.report import line
from bench.timeline import Run
from orchestrator_tasks.demo.server import serving
from orchestrator_tasks.demo.stack import running
from workflows.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure. `library` is where MoviePy is installed, None without it."""

    pairs: int
    moviepy_runs: int
    seconds: float
    library: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Neighbours in time. MoviePy is slow and runs in the first pairs only."""

    ours: Ours
    best: Cost
    moviepy: Cost | None

    def measures(self) -> dict[str, float]:
        """The pair's number for each measure."""
        found = {
            "answer_over_best": self.ours.answer_s / self.best.wall_s,
            "render_wall_over_best": self.ours.render.wall_s / self.best.wall_s,
            "render_cpu_over_best": self.ours.render.cpu_s / self.best.cpu_s,
            "overhead_ms": self.ours.overhead_s * 1000,
        }
        return found | ({"moviepy_over_answer": self.moviepy.wall_s / self.ours.answer_s} if self.moviepy else {})


@dataclass(slots=True, kw_only=True)
class Bench:
    """One benchmark: where things are, and how many renderings there have been."""

    client: Client
    folder: Path
    base: str
    options: Options
    _number: int = field(default=0)

    def pair(self, index: int, *, with_moviepy: bool) -> Pair:
        """One of each, ours first in every other pair so that neither side always follows the other."""
        if index % 2 == 0:
            ours, best = self.ours(), self.best()
        else:
            best, ours = self.best(), self.ours()
        return Pair(ours=ours, best=best, moviepy=self.moviepy() if with_moviepy and self.options.library else None)

    def ours(self) -> Ours:
        """One job through the system."""
        return contenders.ours(self.client, self._run(), self.base)

    def best(self) -> Cost:
        """One hand-written render."""
        return contenders.best(self.folder, self._run(), self.folder / "best.mp4")

    def alike(self) -> str:
        """Render with both sides and say how alike the files are. Raises BenchError if they are not."""
        number = self._number
        first = self.ours()
        self._number = number  # the same title
        self.best()
        self.client.download(first.result_url, self.folder / "ours.mp4")
        return compare(self.folder / "ours.mp4", self.folder / "best.mp4", self.options.seconds)

    def moviepy(self) -> Cost:
        """One MoviePy render."""
        if self.options.library is None:
            raise BenchError("MoviePy is not installed")
        return contenders.moviepy(self.options.library, self.folder, self._run(), self.folder / "moviepy.mp4")

    def _run(self) -> Run:
        self._number += 1
        return Run(number=self._number, seconds=self.options.seconds)


def measure(options: Options, console: Console) -> list[Pair]:
    """Make the media, have a system, warm both sides up once, then measure the pairs."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user, and must pass through
        console.print("Making the media ...")
        files = media.make(folder / "media")
        with serving(files) as base, system(folder / "service", console) as client:
            bench = Bench(client=client, folder=folder / "media", base=base, options=options)
            return _pairs(bench, console)


def _pairs(bench: Bench, console: Console) -> list[Pair]:
    console.print("Warming up: the sources reach the cache ...")
    console.print(f"Warm: {bench.alike()}.", highlight=False)
    measured: list[Pair] = []
    for index in range(bench.options.pairs):
        measured.append(bench.pair(index, with_moviepy=index < bench.options.moviepy_runs))
        console.print(line(index, measured[-1]), highlight=False)
    return measured


@contextmanager
def system(data_dir: Path, console: Console) -> Iterator[Client]:
    """The system at ORCHESTRATOR_URL, or one started for the benchmark."""
    if url := os.environ.get("ORCHESTRATOR_URL"):
        yield Client(url=url, api_key=os.environ.get("ORCHESTRATOR_API_KEY", ""))
        return
    console.print("Starting the system ...")
    with running(data_dir) as stack:
        yield stack.client
