"""allocate: reserve memory, disk and threads on a node, chosen by the balancing strategy."""

from __future__ import annotations

from orchestrator_tasks.task import Context, Outcome
from workflows.jobs.admission import ALLOCATION


def run(ctx: Context) -> Outcome:
    """Passes with a reservation, or leaves the step waiting until one is free."""
    return ctx.wait_at(ALLOCATION)
