"""Rows of the ledger as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, RowMapping

from workflows.jobs.states import TERMINAL, JobState, StepState


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of `jobs`."""

    orchestration_id: str
    tenant: str
    job_id: str
    body_hash: str
    body: dict[str, Any]
    state: JobState
    outcome: JobState | None
    template: str
    workflow_id: str
    allocation_id: str
    inline: bool
    priority: int
    cancel_requested: bool
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    webhook_url: str | None
    metadata: dict[str, Any]
    expires_in_s: int | None
    event_count: int
    deadline_at: datetime | None
    total_deadline_at: datetime | None
    estimated_at: datetime | None
    retain_until: datetime | None
    created_at: datetime
    granted_at: datetime | None
    finished_at: datetime | None

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self.state in TERMINAL

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """From a row that has at least this class's columns."""
        values = _pick(cls, row._mapping)
        values["state"] = JobState(values["state"])
        values["outcome"] = values["outcome"] and JobState(values["outcome"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of `steps`."""

    id: str
    orchestration_id: str
    workflow_id: str
    name: str
    position: int
    queue: str
    version: int
    state: StepState
    reason: str | None
    open_predecessors: int
    successors: list[str]
    time_limit_s: float
    stall_s: float
    fence: int
    attempts: int
    failures: int
    losses: int
    publishes: int
    lease_owner: str | None
    node: str | None
    progress: float
    output: dict[str, Any] | None
    error: dict[str, Any] | None
    lease_until: datetime | None
    next_attempt_at: datetime | None
    dispatched_at: datetime | None
    ready_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """From a row that has at least this class's columns."""
        values = _pick(cls, row._mapping)
        values["state"] = StepState(values["state"])
        return cls(**values)


def _pick(cls: type, mapping: RowMapping) -> dict[str, Any]:
    return {field.name: mapping[field.name] for field in fields(cls)}
