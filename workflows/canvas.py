"""From the steps of a workflow to the Celery canvas of what is left of it.

The canvas is the fast path only: the ledger decides what runs. Signatures are immutable, carry the step's id and no
queue; the route function of `workflows.broker` finds the queue when each is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery, chain
from celery.canvas import Signature

from workflows.jobs.rows import Step
from workflows.jobs.states import FINISHED_STEP

PREFIX = "orchestrator."


def task_name(step_name: str) -> str:
    """The Celery task of a step."""
    return PREFIX + step_name


def signature(app: Celery, step: Step) -> Signature:
    """One step as an immutable signature."""
    return app.signature(task_name(step.name), args=(step.id,), immutable=True)


def build(app: Celery, steps: Iterable[Step]) -> Signature | None:
    """The canvas of the steps not finished yet, in order; None when nothing is left."""
    left = [step for step in sorted(steps, key=lambda step: step.position) if step.state not in FINISHED_STEP]
    if not left:
        return None
    signatures: list[Any] = [signature(app, step) for step in left]
    return signatures[0] if len(signatures) == 1 else chain(*signatures)
