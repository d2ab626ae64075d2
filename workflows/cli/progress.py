"""The progress bar of a job, fed by what the status endpoint says."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from workflows.client import Body


def show_progress(statuses: Iterable[Body], console: Console) -> tuple[Body, list[float]]:
    """Draw a bar while the job runs. Returns the last status and the distinct progress values seen, 0 to 1."""
    bar = Progress(
        TextColumn("{task.description:<18}"), BarColumn(bar_width=40), TaskProgressColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip
    last: Body = {}
    seen: list[float] = []
    with bar:
        task = bar.add_task("queued", total=1.0)
        for last in statuses:
            fraction = float(last.get("progress_fraction") or 0.0)
            if fraction not in seen:
                seen.append(fraction)
            bar.update(task, completed=fraction, description=_label(last))
    return last, seen


def _label(status: Body) -> str:
    running = status["status"] == "processing"
    return str((status.get("current_step") if running else None) or status["status"]).replace("_", " ")
