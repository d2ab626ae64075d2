"""How far a job is, from its steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.jobs.rows import Job, Step
from workflows.jobs.states import JobState, StepState
from workflows.templates.words import status_word

# Shares of a typical job's time; a step not named here counts 1.
WEIGHTS = {"download": 10.0, "process": 70.0, "qa": 8.0, "upload": 3.0, "analyze": 2.0}
AFTER_SUCCESS = frozenset({"notify", "cleanup"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """0..1, the brief's word for the running step, and a sentence."""

    fraction: float
    current_step: str
    message: str


def progress_of(job: Job, steps: Sequence[Step]) -> Progress:
    """Where the job is. Only an ended job reads 1."""
    if job.state is JobState.SUCCEEDED:
        return Progress(fraction=1.0, current_step="completed", message="Job completed successfully")
    fraction = min(_fraction(steps), 0.99)
    if job.terminal:
        return Progress(fraction=fraction, current_step=job.state.value, message=_ending(job))
    current = _current(steps)
    if current is None:
        return Progress(fraction=fraction, current_step="queued", message="Job queued for processing")
    return Progress(fraction=fraction, current_step=status_word(current.name), message=_sentence(current))


def _fraction(steps: Sequence[Step]) -> float:
    counted = [step for step in steps if step.name not in AFTER_SUCCESS]
    total = sum(WEIGHTS.get(step.name, 1.0) for step in counted)
    return sum(WEIGHTS.get(step.name, 1.0) * step.progress for step in counted) / total if total else 0.0


def _current(steps: Sequence[Step]) -> Step | None:
    live = {StepState.RUNNING: 0, StepState.WAITING: 1, StepState.READY: 2}
    candidates = [step for step in steps if step.state in live]
    return min(candidates, key=lambda step: (live[step.state], step.position), default=None)


def _sentence(step: Step) -> str:
    if step.state is StepState.WAITING:
        return {
            "admission": "Waiting for a free slot",
            "allocation": "Waiting for free resources",
            "retry": "Waiting to try again",
        }.get(step.reason or "", "Waiting")
    if step.state is StepState.READY:
        return "Job queued for processing"
    return SENTENCES.get(step.name, "Processing")


SENTENCES = {
    "validate": "Checking the job",
    "create_record": "Recording the plan",
    "queue": "Waiting for a free slot",
    "allocate": "Reserving resources",
    "download": "Fetching the sources",
    "analyze": "Analysing the sources",
    "process": "Processing video elements",
    "qa": "Checking the result",
    "upload": "Storing the result",
    "update": "Publishing the result",
}


def _ending(job: Job) -> str:
    if job.error:
        return str(job.error["message"])
    return {JobState.CANCELLED: "Job was cancelled", JobState.TIMED_OUT: "Job ran out of time"}.get(
        job.state, "Job failed"
    )
