"""From the ledger's values to the JSON of the answers. Pure but for signing a result's URL."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from workflows.jobs.progress import progress_of
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import STATUS_WORD, JobState
from workflows.storage.objects import ObjectStore

UNITS: Final = (("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
POLL_S: Final = (1, 15)  # what Retry-After advises at least and at most

Signer = Callable[[Job], str | None]


def signer(store: ObjectStore, longest_s: int, now: datetime) -> Signer:
    """What gives a job's result a URL for the rest of its life; None when it has none or is no longer kept."""

    def sign(job: Job) -> str | None:
        if job.state is not JobState.SUCCEEDED or not job.result:
            return None
        left = float(longest_s)
        if job.expires_in_s is not None and job.finished_at is not None:
            left = min(left, job.expires_in_s - (now - job.finished_at).total_seconds())
        name = job.job_id + PurePosixPath(job.result["key"]).suffix
        return store.presign(job.result["key"], left, name) if left > 0 else None

    return sign


def immediate(job: Job, sign: Signer) -> dict[str, Any]:
    """The 200 of a job that has succeeded."""
    return {
        "jobId": job.job_id,
        "orchestrationId": job.orchestration_id,
        "status": "immediate",
        "result_url": sign(job),
        **measures(job),
        "message": "Job completed successfully",
    }


def queued(job: Job, now: datetime) -> dict[str, Any]:
    """The 202 of a job that goes on."""
    going = STATUS_WORD[job.state] == "processing"
    return {
        "jobId": job.job_id,
        "orchestrationId": job.orchestration_id,
        "status": "queued",
        "message": "Job is being processed" if going else "Job queued for processing",
        "estimated_completion": moment(expected(job, now)),
        "workflow_id": job.workflow_id,
        "resource_allocation_id": job.allocation_id,
    }


def retry_after_s(job: Job, now: datetime) -> int:
    """When it pays to ask again."""
    return max(POLL_S[0], min(POLL_S[1], math.ceil((expected(job, now) - now).total_seconds())))


def status(job: Job, steps: Sequence[Step], sign: Signer, now: datetime) -> dict[str, Any]:
    """How far a job is, in the brief's shape."""
    progress = progress_of(job, steps)
    body = {
        "status": STATUS_WORD[job.state],
        "job_id": job.job_id,
        "orchestration_id": job.orchestration_id,
        "progress": f"{math.floor(progress.fraction * 100)}%",
        "progress_fraction": round(progress.fraction, 4),
        "current_step": progress.current_step,
        "message": progress.message,
        "estimated_completion": moment(job.finished_at or expected(job, now)),
    }
    if job.error:
        body["error"] = job.error
    if job.state is JobState.SUCCEEDED:
        body |= {"result_url": sign(job), **measures(job)}
    return body


def in_full(job: Job, steps: Sequence[Step], plan: dict[str, Any], sign: Signer, now: datetime) -> dict[str, Any]:
    """A job with everything the ledger knows of it."""
    return {
        **status(job, steps, sign, now),
        "template": job.template,
        "workflow_id": job.workflow_id,
        "resource_allocation_id": job.allocation_id,
        "why": plan.get("choice"),
        "estimate": plan.get("estimate"),
        "priority": job.priority,
        "metadata": job.metadata,
        "result": {name: value for name, value in (job.result or {}).items() if name != "key"},
        "created_at": moment(job.created_at),
        "started_at": moment(job.granted_at),
        "finished_at": moment(job.finished_at),
        "deadline": moment(job.deadline_at),
        "steps": [step_in_full(step, now) for step in steps],
    }


def step_in_full(step: Step, now: datetime) -> dict[str, Any]:
    """One step with its times and what came of it."""
    ran = (step.finished_at or now) - step.started_at if step.started_at else None
    return {
        "name": step.name,
        "state": step.state.value,
        "reason": step.reason,
        "queue": step.queue,
        "node": step.node,
        "attempts": step.attempts,
        "failures": step.failures,
        "losses": step.losses,
        "progress_fraction": round(step.progress, 4),
        "started_at": moment(step.started_at),
        "finished_at": moment(step.finished_at),
        "seconds": None if ran is None else round(max(0.0, ran.total_seconds()), 3),
        "output": step.output,
        "error": step.error,
    }


def summary(job: Job, now: datetime) -> dict[str, Any]:
    """One line of the list of jobs."""
    body = {
        "job_id": job.job_id,
        "orchestration_id": job.orchestration_id,
        "status": STATUS_WORD[job.state],
        "template": job.template,
        "created_at": moment(job.created_at),
        "finished_at": moment(job.finished_at),
        "estimated_completion": moment(job.finished_at or expected(job, now)),
    }
    return body | ({"error_code": job.error["code"]} if job.error else {})


def measures(job: Job) -> dict[str, Any]:
    """Time and size of a result, in the brief's words and as numbers."""
    started, ended = job.granted_at or job.created_at, job.finished_at or job.created_at
    took_ms = max(0, round((ended - started).total_seconds() * 1000))
    size = int((job.result or {}).get("size_bytes", 0))
    return {
        "processing_time": f"{took_ms}ms",
        "processing_time_ms": took_ms,
        "file_size": decimal_size(size),
        "file_size_bytes": size,
    }


def decimal_size(size_bytes: int) -> str:
    """`50MB`, `1.5MB`, `999B`: powers of ten, at most one decimal."""
    for unit, factor in UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f}".removesuffix(".0") + unit
    return f"{size_bytes}B"


def expected(job: Job, now: datetime) -> datetime:
    """When the job should be done; never in the past."""
    return max(job.estimated_at or now, now)


def moment(at: datetime | None) -> str | None:
    """`2023-12-01T10:30:00Z`."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
