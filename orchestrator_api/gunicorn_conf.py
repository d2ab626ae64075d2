"""gunicorn's configuration: `gunicorn -c python:orchestrator_api.gunicorn_conf`. Everything else is in Settings.

Threads, since a request that waits for a quick job holds one for up to INLINE_WAIT_S; processes for the cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator_api.access_log import AccessLog
from orchestrator_api.parts import parts_of
from workflows.settings import load

_settings = load()

wsgi_app = "orchestrator_api.wsgi:app"
bind = f"{_settings.bind_host}:{_settings.port}"
workers = _settings.api_workers
threads = _settings.api_threads
worker_class = "gthread"
worker_connections = 1000
backlog = 2048
keepalive = 15
# The worker's main loop beats on its own, so a long request is not a dead worker; this is for one that is stuck.
timeout = 60
# Waiters leave within a second of SIGTERM (post_worker_init below); this is for the slowest answer after that.
graceful_timeout = 15
max_requests = 0  # recycling would cut waiters off
max_requests_jitter = 0
preload_app = False  # each process makes its own engine, Celery app and listening thread, after the fork
control_socket_disable = True  # nothing of ours uses it, and it would be one more door
logger_class = AccessLog
loglevel = {"warn": "warning", "fatal": "critical"}.get(_settings.log_level, _settings.log_level)
proc_name = "orchestrator-api"
# The heartbeat file in memory: on a slow disk its fchmod alone can make a worker look dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_worker_init(worker: Any) -> None:
    """Let waiting clients go with their 202 as soon as this worker is told to stop."""
    parts_of(worker.wsgi).waiting.stop_when(lambda: not worker.alive)


def worker_exit(_server: Any, worker: Any) -> None:
    """Give the connections back."""
    if getattr(worker, "wsgi", None) is not None:
        parts_of(worker.wsgi).close()
