"""create_record: what the job is expected to cost, where its output will be and how long it is kept, on record."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection

from orchestrator_tasks.task import Context, Outcome
from workflows.jobs import retain
from workflows.jobs.rows import Job
from workflows.storage.keys import job_prefix


def run(ctx: Context) -> Outcome:
    """Sets the job's retention; the estimate and the output prefix stand in the step's output."""
    job = ctx.claim.job

    def effect(conn: Connection, locked: Job) -> None:
        retain.set_retention(conn, locked, ctx.tools.settings)

    output = {
        "output_prefix": job_prefix(job.tenant, job.orchestration_id),
        "estimate": asdict(ctx.claim.plan.estimate),
        "template": ctx.claim.plan.template,
    }
    return Outcome(output=output, effect=effect)
