"""update: the pointer swap. The job's result becomes the recorded artifact, and the job has succeeded."""

from __future__ import annotations

from sqlalchemy import Connection

from orchestrator_tasks.task import Context, Outcome
from workflows.jobs import ending, retain, webhooks
from workflows.jobs.rows import Job


def run(ctx: Context) -> Outcome:
    """Publishes under the step's token, in the transaction that completes it."""
    stored = ctx.claim.outputs["process"]
    result = {
        "key": ctx.claim.outputs["upload"]["key"],
        "sha256": stored["sha256"],
        "size_bytes": stored["size_bytes"],
        "warnings": stored["warnings"],
        "checks": ctx.claim.outputs.get("qa", stored)["checks"],
    }
    tells_itself = "notify" not in ctx.claim.step_names

    def effect(conn: Connection, job: Job) -> None:
        ending.succeed(conn, job, fence=ctx.claim.fence, result=result)
        retain.set_retention(conn, job, ctx.tools.settings)
        if tells_itself:
            webhooks.enqueue_for(conn, job.orchestration_id)

    return Outcome(output={"key": result["key"]}, effect=effect)
