"""quick_sync: short jobs, answered in the HTTP call that posted them."""

from __future__ import annotations

from workflows.analysis.model import Analysis
from workflows.planning.model import Choice, Graph, Plan, Retries
from workflows.planning.plan import fill_plan
from workflows.spec.model import JobSpec
from workflows.templates.model import Limits, Match, chain

NAME = "quick_sync"
QUEUE = "quick"
LONGEST_S = 30  # predicted: the promise of the inline answer
TOTAL_S = 60
RETRIES = Retries(limit=1, base_s=1.0, factor=1.0, cap_s=1.0)

# A step's own limit never decides a healthy job: it bounds what a hung one may eat of the 60 s.
STEPS = {
    "validate": Limits(time_s=10, stall_s=10, queue=QUEUE),
    "allocate": Limits(time_s=5, stall_s=5, queue=QUEUE),
    "download": Limits(time_s=40, stall_s=15, queue=QUEUE),
    "process": Limits(time_s=55, stall_s=20, queue=QUEUE),
    "upload": Limits(time_s=20, stall_s=10, queue=QUEUE),
    "update": Limits(time_s=5, stall_s=5, queue=QUEUE),
    "cleanup": Limits(time_s=15, stall_s=15, queue=QUEUE),
}


def matches(analysis: Analysis, spec: JobSpec) -> Match:
    """Nine times in ten the render is done within 30 s."""
    p90 = analysis.estimate.p90_s
    fits = p90 <= LONGEST_S
    words = "within" if fits else "over"
    return Match(fits=fits, why=f"{p90:.1f} s is {words} its {LONGEST_S} s", amount=p90, limit=LONGEST_S)


def plan(spec: JobSpec, analysis: Analysis, choice: Choice, threads: int) -> Plan:
    """One retry after 1 s, 60 s in all."""
    return fill_plan(choice, analysis, spec.quality, threads, retries=RETRIES, total_s=TOTAL_S)


def graph(plan: Plan) -> Graph:
    """Seven steps in a row."""
    return chain(STEPS)
