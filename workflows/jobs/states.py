"""The states of jobs and steps and the edges between them. Pure; `store.transition` is the one door to a change."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPENSATING = "compensating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class StepState(StrEnum):
    """Where a step is."""

    BLOCKED = "blocked"
    READY = "ready"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT})
FINISHED_STEP = frozenset({StepState.DONE, StepState.FAILED, StepState.SKIPPED, StepState.SUPERSEDED})

JOB_EDGES: dict[JobState, frozenset[JobState]] = {
    JobState.ACCEPTED: frozenset({JobState.QUEUED, JobState.PROCESSING, JobState.COMPENSATING}),
    JobState.QUEUED: frozenset({JobState.PROCESSING, JobState.COMPENSATING}),
    JobState.PROCESSING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.COMPENSATING}),
    JobState.COMPENSATING: frozenset({JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT}),
    **{state: frozenset() for state in TERMINAL},
}

STEP_EDGES: dict[StepState, frozenset[StepState]] = {
    StepState.BLOCKED: frozenset({StepState.READY, StepState.SKIPPED, StepState.SUPERSEDED}),
    StepState.READY: frozenset({StepState.RUNNING, StepState.SKIPPED, StepState.SUPERSEDED}),
    StepState.WAITING: frozenset({StepState.READY, StepState.DONE, StepState.SKIPPED, StepState.SUPERSEDED}),
    StepState.RUNNING: frozenset(
        {StepState.DONE, StepState.WAITING, StepState.READY, StepState.FAILED, StepState.SKIPPED, StepState.SUPERSEDED}
    ),
    **{state: frozenset() for state in FINISHED_STEP},
}

# What a client reads (the brief's words); accepted reads queued, compensating still reads processing.
STATUS_WORD = {
    JobState.ACCEPTED: "queued",
    JobState.QUEUED: "queued",
    JobState.PROCESSING: "processing",
    JobState.COMPENSATING: "processing",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.TIMED_OUT: "timed_out",
}


class IllegalTransition(RuntimeError):
    """A defect of ours: no such edge."""


def check_job_edge(old: JobState, new: JobState) -> None:
    """Raise IllegalTransition unless a job may go from `old` to `new`."""
    if new not in JOB_EDGES[old]:
        raise IllegalTransition(f"a job cannot go from {old} to {new}")


def check_step_edge(old: StepState, new: StepState) -> None:
    """Raise IllegalTransition unless a step may go from `old` to `new`."""
    if new not in STEP_EDGES[old]:
        raise IllegalTransition(f"a step cannot go from {old} to {new}")
