"""`python -m orchestrator_tasks.demo [--keep DIR]`: see the package."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from orchestrator_tasks.demo import media, scene, viewer
from orchestrator_tasks.demo.server import serving
from orchestrator_tasks.demo.stack import StackError, running, stop_on_sigterm, tail
from workflows.cli.progress import show_progress
from workflows.client import COMPLETED, ApiError, Body, Client
from workflows.errors import OrchestratorError

OUTPUT: Final = Path("build/demo")
ENDED_STEP: Final = {"done", "failed", "skipped", "superseded"}


class DemoError(Exception):
    """The demonstration did not show what it promises."""


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the service's data in DIR as well as the results.")
def main(keep: Path | None) -> None:
    """Start a service, render a real video through it, show the result, stop the service."""
    stop_on_sigterm()
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
            status, seen = show_progress(stack.client.follow(scene.job(base)), console)
            video = fetch(stack.client, status, output / "demo.mp4")
            job = settled(stack.client, status["job_id"])
    console.print(f"The status endpoint told {len(seen)} different values of progress.")
    console.print(steps_table(job))
    describe(video, output / "contact-sheet.png", console)


def settled(client: Client, job_id: str) -> Body:
    """The job in full once its last steps have ended too: they follow its success. After 10 s, as it is."""
    deadline = time.monotonic() + 10
    while True:
        job = client.job(job_id)
        if all(step["state"] in ENDED_STEP for step in job["steps"]) or time.monotonic() > deadline:
            return job
        time.sleep(0.1)


def fetch(client: Client, status: Body, target: Path) -> Path:
    """Download the result. Raises DemoError if the job has none."""
    if status["status"] != COMPLETED:
        error = status.get("error") or {}
        raise DemoError(f"the job {status['status']}: {error.get('message') or status.get('message')}")
    client.download(status["result_url"], target)
    return target


def steps_table(job: Body) -> Table:
    """The workflow's steps with their times."""
    table = Table(title=f"Workflow {job['template']}, {job['processing_time']}", title_justify="left")
    for name in ("step", "state", "seconds", "tries"):
        table.add_column(name, justify="left" if name in {"step", "state"} else "right")
    for step in job["steps"]:
        took = "" if step["seconds"] is None else f"{step['seconds']:.3f}"
        table.add_row(step["name"], step["state"], took, str(step["attempts"]))
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
