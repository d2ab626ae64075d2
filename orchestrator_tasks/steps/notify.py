"""notify: the webhook's delivery row, and its first try at once. Later tries are the reconciler's."""

from __future__ import annotations

from sqlalchemy import Connection

from orchestrator_tasks import deliver
from orchestrator_tasks.task import Context, Outcome
from workflows.jobs import webhooks
from workflows.jobs.rows import Job


def run(ctx: Context) -> Outcome:
    """A receiver that does not answer is no failure of the step."""
    written: list[str] = []

    def effect(conn: Connection, job: Job) -> None:
        message_id = webhooks.enqueue_for(conn, job.orchestration_id)
        written.extend([message_id] if message_id else [])

    def after() -> None:
        for message_id in written:
            deliver.deliver_one(ctx.tools, message_id)

    return Outcome(output={"webhook": bool(ctx.claim.job.webhook_url)}, effect=effect, after=after)
