"""Tasks that belong to no step: compensation, webhook deliveries, retention. And beat's short schedule."""

from __future__ import annotations

import time

from celery import Celery
from celery.schedules import schedule

from orchestrator_tasks import compensate, deliver, retention
from orchestrator_tasks.runtime import runtime

COMPENSATE = "orchestrator.maintenance.compensate"
DELIVER = "orchestrator.maintenance.deliver"
RETENTION = "orchestrator.maintenance.retention"
QUEUE = "maintenance"
DELIVER_S = 2.0  # then a slot is free for other work; what is left is sent by the next task


def register(app: Celery) -> None:
    """Declare the tasks and the schedule. The reconciler decides when the first two run; beat runs retention only."""
    app.task(name=COMPENSATE, ignore_result=True)(_compensate)
    app.task(name=DELIVER, ignore_result=True)(_deliver)
    app.task(name=RETENTION, ignore_result=True)(_retention)
    app.conf.beat_schedule = {
        "retention": {"task": RETENTION, "schedule": schedule(3600), "options": {"queue": QUEUE}},
    }


def _compensate(orchestration_id: str) -> None:
    """Go on with a job's compensations."""
    compensate.run(runtime(), orchestration_id)


def _deliver() -> None:
    """Send the webhooks that are due, for a while."""
    tools, until = runtime(), time.monotonic() + DELIVER_S
    while deliver.deliver_one(tools) and time.monotonic() < until:
        pass


def _retention() -> None:
    """Delete results whose time is over and files no result points at."""
    retention.run(runtime())
