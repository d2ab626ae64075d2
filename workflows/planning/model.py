"""The plan: what will be run, fixed before anything runs. Pure values, stored as JSON with the job."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.analysis.model import Estimate

PLAN_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Why this template: the reason, the next best, and what would have changed it. Words for people."""

    template: str
    reason: str
    runner_up: str | None
    flips_when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Encoder settings of the output. `threads` is fixed here since x264's bytes depend on it."""

    codec: str
    preset: str
    crf: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how patiently a failed step is tried again. Seconds; full jitter up to the growing bound."""

    limit: int  # tries after the first
    base_s: float
    factor: float
    cap_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a job reserves on a node."""

    threads: int
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job's plan: template, cost, what it reserves, how it encodes, how long it may take."""

    version: int
    template: str
    choice: Choice
    estimate: Estimate
    encoder: Encoder
    need: Need
    retries: Retries
    total_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNode:
    """One step of a graph: its name, which is also its task's name, and the steps it waits for."""

    name: str
    queue: str  # quick, balanced, maintenance, ...: a class of queue, not a node's
    after: tuple[str, ...]
    time_limit_s: int
    stall_s: int  # lease is not renewed when progress has stood still this long


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The steps of one workflow in an order in which each follows what it waits for."""

    steps: tuple[StepNode, ...]
