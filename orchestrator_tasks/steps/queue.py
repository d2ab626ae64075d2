"""queue: admission. The job waits in the ledger until fewer of its class are in flight than may be."""

from __future__ import annotations

from orchestrator_tasks.task import Context, Outcome
from workflows.jobs.admission import ADMISSION


def run(ctx: Context) -> Outcome:
    """Passes, or leaves the step waiting."""
    return ctx.wait_at(ADMISSION)
