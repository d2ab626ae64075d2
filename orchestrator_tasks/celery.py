"""The Celery program: `celery -A orchestrator_tasks worker|beat|flower`. Registers a thin task per step.

Everything about queues and delivery is configured in `workflows.broker`; what happens when a process starts, forks
and stops is here.
"""

from __future__ import annotations

import ctypes
import os
import signal
from functools import partial
from typing import Any

import structlog
from celery import Celery, signals
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from orchestrator_tasks import periodic, runtime, task, transport
from orchestrator_tasks.ffmpeg import inspection
from orchestrator_tasks.ffmpeg import text as lettering
from orchestrator_tasks.steps import STEPS
from workflows import failpoints
from workflows.canvas import task_name
from workflows.errors import StorageFailed
from workflows.fleet import registry
from workflows.telemetry import logging

log = structlog.get_logger(__name__)
BEAT_S = 5.0
PR_SET_PDEATHSIG = 1

transport.use()
app: Celery = runtime.runtime().app
_worker: dict[str, Any] = {"name": "worker"}  # filled in the main process before it forks


def _register() -> None:
    for name, work in STEPS.items():
        body = partial(_run_step, work)
        app.task(name=task_name(name), ignore_result=True)(_named(body, name))
    periodic.register(app)


def _named(body: Any, name: str) -> Any:
    def step_task(step_id: str) -> None:
        body(step_id)

    step_task.__name__ = name
    step_task.__doc__ = f"Run the step `{name}` with this id."
    return step_task


def _run_step(work: task.Work, step_id: str) -> None:
    task.execute(step_id, work, _worker["name"])


_register()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _logging(**_: Any) -> None:
    logging.configure(runtime.runtime().settings, "worker")


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _remember(sender: str, instance: Any = None, **_: Any) -> None:
    _worker["name"] = sender
    failpoints.configure(runtime.runtime().settings.failpoint)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _child(**_: Any) -> None:
    """A pool child dies with its worker, leads its own process group and connects for itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)  # the worker died before the line above took hold
    os.setpgrp()  # a hard time limit then kills the whole group
    _warm()


def _warm() -> None:
    """Pay once, before the first job: the probe server, the text engine, the store's client."""
    inspection.warm()
    lettering.warm()
    try:
        runtime.runtime().store.head("warm")
    except StorageFailed as err:
        log.warning("store_unreachable", error=err.message)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _announce(sender: Any, **_: Any) -> None:
    """Show ourselves to the fleet, now and every few seconds."""
    _beat(sender)
    sender.timer.call_repeatedly(BEAT_S, _beat, (sender,))


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stopping(**_: Any) -> None:
    _worker["stopping"] = True
    _ledger(lambda conn: registry.remove_worker(conn, _id()))


def _id() -> str:
    return f"{_worker['name']}:{runtime.BOOT_ID}/{runtime.pid_space()}"


def _beat(consumer: Any) -> None:
    settings = runtime.runtime().settings
    if _worker.get("stopping"):
        return
    queues = [queue.name for queue in consumer.task_consumer.queues] if consumer.task_consumer else []
    _ledger(
        lambda conn: registry.beat_worker(
            conn, _id(), node=settings.node, pid=os.getpid(), queues=queues, slots=consumer.pool.num_processes
        )
    )


def _ledger(work: Any) -> None:
    """One short transaction without a pool: the main process forks, and must hold no connection when it does."""
    settings = runtime.runtime().settings
    patience = {"connect_timeout": 2, "tcp_user_timeout": 3000}
    engine = create_engine(settings.sqlalchemy_url, poolclass=NullPool, connect_args=patience)
    try:
        with engine.begin() as conn:
            conn.execute(text("SET LOCAL statement_timeout = 3000"))  # this runs in the worker's event loop
            work(conn)
    except SQLAlchemyError as err:
        log.warning("worker_beat_failed", error=str(err))
