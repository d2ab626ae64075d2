"""`python -m orchestrator_tasks.demo [--keep DIR]`: see the package."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from orchestrator_tasks.demo import media, scene, viewer
from orchestrator_tasks.demo.server import serving
from orchestrator_tasks.demo.stack import StackError, running, tail
from workflows.cli.progress import show_progress
from workflows.client import COMPLETED, ApiError, Body, Client
from workflows.errors import OrchestratorError

OUTPUT: Final = Path("build/demo")


class DemoError(Exception):
    """The demonstration did not show what it promises."""


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the service's data in DIR as well as the results.")
def main(keep: Path | None) -> None:
    """Start a service, render a real video through it, show the result, stop the service."""
    console = Console(soft_wrap=True)
    with _home(keep) as home:
        try:
            show(home, keep or OUTPUT, console)
        except StackError as err:
            _give_up(console, str(err), err.log)
        except (DemoError, ApiError, OrchestratorError, media.FootageError) as err:
            _give_up(console, f"The demo failed: {err}", tail(home / "up.log"))


def show(home: Path, output: Path, console: Console) -> None:
    """Run the demonstration. `home` is the service's data directory; the results are written to `output`."""
    output.mkdir(parents=True, exist_ok=True)
    files = {**media.footage(), **media.make(output / "sources", scene.SECONDS)}
    with serving(files) as base:
        console.print("Starting PostgreSQL, Valkey, an object store, the API and the workers ...")
        with running(home) as stack:
            console.print(f"The service is ready at {stack.ready['url']} after {stack.started_in_s:.1f} s.")
            status, _ = show_progress(stack.client.follow(scene.job(base)), console)
            job = stack.client.job(status["job_id"])
            video = fetch(stack.client, status, job, output / "demo.mp4")
    console.print(steps_table(job))
    describe(video, output / "contact-sheet.png", console)


def fetch(client: Client, status: Body, job: Body, target: Path) -> Path:
    """Download the result. Raises DemoError if the job has none."""
    if status["status"] != COMPLETED:
        error = job.get("error") or {}
        raise DemoError(f"the job {status['status']}: {error.get('message') or status.get('message')}")
    client.download(status["result_url"], target)
    return target


def steps_table(job: Body) -> Table:
    """The workflow's steps with their times."""
    table = Table(title=f"Workflow {job.get('template') or job.get('workflow') or ''}".rstrip(), title_justify="left")
    for name in ("step", "state", "started", "took"):
        table.add_column(name, justify="right" if name in {"started", "took"} else "left")
    for step in job["steps"]:
        table.add_row(str(step["name"]), str(step["state"]), str(step.get("started_at")), str(step.get("finished_at")))
    return table


def describe(video: Path, sheet: Path, console: Console) -> None:
    """Print what the file is, as PyAV decodes it, and write its contact sheet. Raises DemoError if it is wrong."""
    seen = viewer.facts(video)
    table = Table(title="The file, as PyAV decodes it", title_justify="left", show_header=False)
    for row in seen.rows():
        table.add_row(*row)
    console.print(table)
    viewer.contact_sheet(video, sheet)
    console.print(f"Video:         {video.resolve()}\nContact sheet: {sheet.resolve()}", highlight=False)
    expected = (scene.WIDTH, scene.HEIGHT, scene.SECONDS * scene.FRAME_RATE)
    if (seen.width, seen.height, seen.frames) != expected or not seen.audio_codec or seen.peak < 0.05:
        raise DemoError(f"the file should have {expected[2]} frames of {expected[0]}x{expected[1]} with sound")


@contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep / "service"
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-demo-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when started by root, and must pass through
        yield Path(folder) / "service"


def _give_up(console: Console, message: str, log: str) -> None:
    console.print(message, style="red")
    if log:
        console.print(f"The last lines of the service's log:\n{log}", highlight=False, markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
