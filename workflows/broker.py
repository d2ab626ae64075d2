"""The one Celery configuration: app factory, queues, routes. API, CLI and reconciler publish with it; workers run it.

Where a value is not Celery's default, the trap it avoids is named beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu import Queue  # type: ignore[attr-defined]
from sqlalchemy import Engine, text

from workflows.canvas import PREFIX
from workflows.settings import Settings

CLASSES = ("quick", "balanced", "gpu", "distributed", "maintenance", "safe")
MAINTENANCE = "maintenance"
KEY_PREFIX = "vos:"
# Twice the longest total of a template (90 min): a render never looks abandoned to the broker while it runs.
VISIBILITY_S = 2 * 90 * 60

Route = Callable[..., dict[str, Any] | None]


def make_app(settings: Settings, engine: Callable[[], Engine], *, program: bool = False) -> Celery:
    """A Celery app bound to the broker of `settings`. `engine` is asked for the ledger when a step is routed.

    `program`: this is the app that `celery -A orchestrator_tasks` runs, and not one that only publishes.
    """
    app = Celery("orchestrator_tasks", broker=settings.redis_url, backend=None, set_as_current=program)
    app.conf.update(configuration(settings))
    app.conf.task_routes = (route_by_ledger(engine),)
    return app


def route_by_ledger(engine: Callable[[], Engine]) -> Route:
    """The route function: a step's queue is what its row says at the moment it is published."""

    def route(name: str, args: Any = None, *_: Any, **__: Any) -> dict[str, Any] | None:
        if not name.startswith(PREFIX) or name.startswith(f"{PREFIX}{MAINTENANCE}.") or not args:
            return None
        with engine().connect() as conn:
            queue = conn.execute(text("SELECT queue FROM steps WHERE id = :id"), {"id": args[0]}).scalar_one_or_none()
        return {"queue": queue or MAINTENANCE}

    return route


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings."""
    transport = {
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": 10,  # kombu passes None: a half-open connection would block for ever
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,  # an ambiguous timeout must not push twice
        "global_keyprefix": KEY_PREFIX,
        "queue_order_strategy": "round_robin",
        "priority_steps": [0],
    }
    return {
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 3,
        "visibility_timeout": VISIBILITY_S,
        "task_queues": [Queue(name) for name in CLASSES],  # type: ignore[no-untyped-call]
        "task_default_queue": "maintenance",
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,  # state lives in the ledger; also closes the chord hole of stored results
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # A render must not die because the broker blinked: the ledger's lease decides.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 10,
        "worker_enable_soft_shutdown_on_idle": False,  # no wait lives in the broker
        "worker_deduplicate_successful_tasks": False,
        "worker_proc_alive_timeout": 30,  # a child warms up before it says that it lives
        "worker_max_tasks_per_child": 200,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "task_time_limit": VISIBILITY_S // 2 + 60,
        "timezone": "UTC",
        "beat_schedule_filename": str(settings.home / f"beat-{os.getpid()}"),
    }
