"""Making a plan, and its JSON form in the ledger. Which template and with what limits is the templates' to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from workflows.analysis.model import Analysis, Estimate
from workflows.planning.model import PLAN_VERSION, Choice, Encoder, Need, Plan, Retries
from workflows.planning.resources import need
from workflows.spec.model import Quality


class UnknownPlanVersion(ValueError):
    """The plan was written by another version of this program: leave the step to a worker that knows it."""


def fill_plan(
    choice: Choice, analysis: Analysis, quality: Quality, threads: int, *, retries: Retries, total_s: int
) -> Plan:
    """The plan of a template: its limits, with the cost and needs of the job. `threads` is fixed from here on."""
    return Plan(
        version=PLAN_VERSION,
        template=choice.template,
        choice=choice,
        estimate=analysis.estimate,
        encoder=Encoder(codec=quality.codec, preset=quality.preset, crf=quality.crf, threads=threads),
        need=need(analysis.estimate, threads),
        retries=retries,
        total_s=total_s,
    )


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """The plan as JSON, for the ledger."""
    return asdict(plan)


def plan_from_dict(data: Mapping[str, Any]) -> Plan:
    """The plan `plan_to_dict` wrote. Raises UnknownPlanVersion for any other version."""
    if data.get("version") != PLAN_VERSION:
        raise UnknownPlanVersion(f"plan version {data.get('version')!r}; this program knows {PLAN_VERSION}")
    parts = {"choice": Choice, "estimate": Estimate, "encoder": Encoder, "need": Need, "retries": Retries}
    return Plan(**{**data, **{name: kind(**data[name]) for name, kind in parts.items()}})
