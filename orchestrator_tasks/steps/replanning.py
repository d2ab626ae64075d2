"""Re-planning from a running step: the probe says the job belongs to another template. No step itself."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from celery.exceptions import Ignore

from orchestrator_tasks.task import Context
from workflows.analysis.analyse import analyse
from workflows.analysis.model import Analysis
from workflows.jobs import replan
from workflows.spec.media import MediaInfo
from workflows.spec.model import JobSpec
from workflows.spec.outputs import made
from workflows.spec.timeline import resolve
from workflows.submit import fleet_of
from workflows.templates import TEMPLATES
from workflows.templates.choose import choose, make_plan

log = structlog.get_logger(__name__)


def replan_if_other_class(ctx: Context, spec: JobSpec, media: Mapping[str, MediaInfo]) -> Analysis:
    """The analysis with the facts. Where it asks for a heavier template, the job is re-planned and this step ends.

    A job is never moved to a lighter one: it has waited its turn already.
    """
    timeline = made(spec, resolve(spec, media))
    with ctx.tools.engine.connect() as conn:
        coefficients, threads = fleet_of(conn, ctx.tools.settings)
    analysis = analyse(timeline, spec.quality, coefficients, threads, media=media)
    choice = choose(spec, analysis)
    order = list(TEMPLATES)
    if order.index(choice.template) <= order.index(ctx.claim.plan.template):
        return analysis
    plan = make_plan(spec, timeline, analysis, choice, threads)
    with ctx.tools.engine.begin() as conn:
        job = replan.replan(conn, ctx.claim, plan, TEMPLATES[plan.template].graph(plan))
    log.info("job_replanned", template=plan.template, reason=choice.reason)
    ctx.tools.publish(job.orchestration_id)
    raise Ignore
