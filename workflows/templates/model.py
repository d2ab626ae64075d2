"""What a template is: a module with a name, a test, a plan and a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from workflows.analysis.model import Analysis
from workflows.planning.model import Choice, Graph, Plan, StepNode
from workflows.spec.model import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whether a template takes a job, in words: `why` ("12 s are within …") and the amount it looked at, against
    the most it takes.
    """

    fits: bool
    why: str
    amount: float
    limit: float


class Template(Protocol):
    """The four things a template module has."""

    NAME: str

    def matches(self, analysis: Analysis, spec: JobSpec) -> Match:
        """Whether the job is this template's, and why."""

    def plan(self, spec: JobSpec, analysis: Analysis, choice: Choice, threads: int) -> Plan:
        """The job's plan under this template."""

    def graph(self, plan: Plan) -> Graph:
        """The steps, in an order in which each follows what it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one step may run, and how long it may stand still. Seconds."""

    time_s: int
    stall_s: int
    queue: str


def chain(steps: dict[str, Limits]) -> Graph:
    """The graph in which each step waits for the one before it."""
    names = list(steps)
    return Graph(
        steps=tuple(
            StepNode(
                name=name,
                queue=limits.queue,
                after=tuple(names[position - 1 : position]) if position else (),
                time_limit_s=limits.time_s,
                stall_s=limits.stall_s,
            )
            for position, (name, limits) in enumerate(steps.items())
        )
    )
