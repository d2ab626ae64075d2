"""balanced_async: jobs of minutes, queued, checked and reported."""

from __future__ import annotations

from workflows.analysis.model import Analysis
from workflows.planning.model import Choice, Graph, Plan, Retries
from workflows.planning.plan import fill_plan
from workflows.spec.model import JobSpec
from workflows.templates.model import Limits, Match, chain

NAME = "balanced_async"
QUEUE = "balanced"
LONGEST_S = 15 * 60
TOTAL_S = 15 * 60
RETRIES = Retries(limit=3, base_s=2.0, factor=2.0, cap_s=60.0)

STEPS = {
    "validate": Limits(time_s=30, stall_s=30, queue=QUEUE),
    "create_record": Limits(time_s=10, stall_s=10, queue=QUEUE),
    "queue": Limits(time_s=10, stall_s=10, queue=QUEUE),  # waiting is a ledger row, not a running step
    "allocate": Limits(time_s=10, stall_s=10, queue=QUEUE),
    "download": Limits(time_s=360, stall_s=30, queue=QUEUE),
    "analyze": Limits(time_s=60, stall_s=30, queue=QUEUE),
    "process": Limits(time_s=840, stall_s=30, queue=QUEUE),
    "qa": Limits(time_s=300, stall_s=30, queue=QUEUE),
    "upload": Limits(time_s=180, stall_s=30, queue=QUEUE),
    "update": Limits(time_s=10, stall_s=10, queue=QUEUE),
    "notify": Limits(time_s=30, stall_s=30, queue="maintenance"),
    "cleanup": Limits(time_s=60, stall_s=30, queue="maintenance"),
}


def matches(analysis: Analysis, spec: JobSpec) -> Match:
    """Nine times in ten the render is done within 15 min."""
    p90 = analysis.estimate.p90_s
    fits = p90 <= LONGEST_S
    words = "within" if fits else "over"
    return Match(fits=fits, why=f"{p90:.1f} s is {words} its {LONGEST_S} s", amount=p90, limit=LONGEST_S)


def plan(spec: JobSpec, analysis: Analysis, choice: Choice, threads: int) -> Plan:
    """Three retries with growing waits, 15 min in all."""
    return fill_plan(choice, analysis, spec.quality, threads, retries=RETRIES, total_s=TOTAL_S)


def graph(plan: Plan) -> Graph:
    """Twelve steps in a row; notify and cleanup come after success and cannot undo it."""
    return chain(STEPS)
