"""The reconciler as a process: `orchestrator reconcile`. Survives the absence of both servers."""

from __future__ import annotations

import math
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import KombuError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workflows import failpoints, policy, submit
from workflows.broker import make_app
from workflows.db.engine import engine_of
from workflows.fleet import registry
from workflows.jobs import reconcile
from workflows.jobs.reconcile import Sender
from workflows.policy import Policy
from workflows.settings import Settings
from workflows.telemetry import logging

log = structlog.get_logger(__name__)
COMPENSATE = "orchestrator.maintenance.compensate"
DELIVER = "orchestrator.maintenance.deliver"
BEAT_S = 5.0
DELIVER_EVERY_S = 3.0  # receivers that hang may take a slot, not all of them


def run_forever(settings: Settings) -> None:
    """Reconcile until SIGTERM or SIGINT."""
    logging.configure(settings, "reconciler")
    failpoints.configure(settings.failpoint)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine, rules = engine_of(settings), policy.load()
    sender = make_sender(settings, engine)
    name = f"reconciler@{settings.node}:{secrets.token_hex(4)}"
    beat_at, calm_at = 0.0, time.monotonic() + 2 * settings.heartbeat_s
    while not stop.is_set():
        if time.monotonic() >= beat_at:
            beat(engine, settings, name)
            beat_at = time.monotonic() + BEAT_S
        # After an outage every live step gets the time of two heartbeats before its lease may be called expired.
        if not one_round(engine, settings, rules, sender, expire=time.monotonic() >= calm_at):
            calm_at = time.monotonic() + 2 * settings.heartbeat_s
        stop.wait(settings.tick_s)


def one_round(engine: Engine, settings: Settings, rules: Policy, sender: Sender, *, expire: bool) -> bool:
    """A round whose failure only costs the round; whether it succeeded."""
    try:
        touched = reconcile.round_of(engine, settings, rules, sender, expire=expire)
    except SQLAlchemyError as err:
        log.warning("round_failed", error=str(err))
        return False
    if any(touched.values()):
        log.info("round", **{rule: count for rule, count in touched.items() if count})
    return True


def beat(engine: Engine, settings: Settings, name: str) -> None:
    """Show in the fleet that a reconciler lives; it serves no queue."""
    try:
        with engine.begin() as conn:
            registry.beat_worker(conn, name, node=settings.node, pid=os.getpid(), queues=[], slots=0)
    except SQLAlchemyError as err:
        log.warning("beat_failed", error=str(err))


def make_sender(settings: Settings, engine: Engine) -> Sender:
    """A sender over the real broker."""
    app = make_app(settings, lambda: engine)
    pings = Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))

    deliver = _spaced(lambda: _send(app, DELIVER), DELIVER_EVERY_S)

    broken = False  # a publish failed since the last ping: the rest of the round does not wait for more of them

    def reachable() -> bool:
        nonlocal broken
        try:
            broken = not pings.ping()
        except RedisError:
            broken = True
        return not broken

    def canvas(orchestration_id: str) -> None:
        nonlocal broken
        broken = broken or not submit.publish(app, engine, orchestration_id)

    return Sender(
        reachable=reachable,
        canvas=canvas,
        compensation=lambda orchestration_id: _send(app, COMPENSATE, orchestration_id),
        deliveries=deliver,
    )


def _spaced(action: Callable[[], None], every_s: float) -> Callable[[], None]:
    """The action, at most once in `every_s`; what is asked for in between is asked for again by a later round."""
    done_at = -math.inf

    def act() -> None:
        nonlocal done_at
        if time.monotonic() - done_at >= every_s:
            done_at = time.monotonic()
            action()

    return act


def _send(app: Celery, name: str, *args: Any) -> None:
    try:
        app.send_task(name, args=args, queue="maintenance", ignore_result=True)
    except (KombuError, RedisError, OSError) as err:
        log.warning("publish_failed", task=name, error=str(err))
