"""The worker's side of a job, driven by hand through the ledger: claim, complete, fail. And waiting on conditions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, text

from workflows.errors import OrchestratorError
from workflows.jobs import ending, leases, store
from workflows.jobs.leases import Claim
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState

RESULT = {"key": "acme/jobs/orch_x/process/1-result.mp4", "size_bytes": 50_000_000, "sha256": "0" * 64}


def until(condition: Callable[[], Any], *, what: str, timeout_s: float = 20.0) -> Any:
    """The first true value of `condition`; AssertionError naming `what` when there is none in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError(f"never happened: {what}")


def job_of(engine: Engine, job_id: str) -> Job | None:
    """The job with this id of any tenant, once it is committed."""
    with engine.connect() as conn:
        row = conn.execute(text("SELECT orchestration_id FROM jobs WHERE job_id = :id"), {"id": job_id}).one_or_none()
        return row and store.get(conn, row.orchestration_id)


def claim_step(engine: Engine, job: Job, name: str) -> Claim:
    """Take one ready step, as a worker does."""
    with engine.begin() as conn:
        claim = leases.claim(conn, f"{job.workflow_id}.{name}", owner="hand", node="bench", lease_s=60)
    assert isinstance(claim, Claim), f"{name} is not ready: {claim}"
    return claim


def finish(engine: Engine, job: Job, result: dict[str, Any] | None = None) -> None:
    """Run every step up to the publication of the result."""
    with engine.connect() as conn:
        names = [step.name for step in store.steps_of(conn, job.workflow_id)]
    for name in names[: names.index("update") + 1]:
        claim = claim_step(engine, job, name)
        with engine.begin() as conn:
            effect = None
            if name == "update":
                effect = lambda conn, job, fence=claim.fence: ending.succeed(  # noqa: E731
                    conn, job, fence=fence, result=result or RESULT
                )
            leases.complete(conn, claim, {}, effect)


def end(engine: Engine, job: Job, outcome: JobState, error: OrchestratorError | None) -> None:
    """End a job that has begun, without a result."""
    claim_step(engine, job, "validate")
    with engine.begin() as conn:
        ending.end(conn, store.get(conn, job.orchestration_id, lock=True), outcome, error)


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[None]:
    """Run `work` on a thread while the block runs; its exception is the block's."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        yield
        running.result(30)
