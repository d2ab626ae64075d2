"""The processes of the orchestrator itself, as data: what `orchestrator up` starts on top of the engines."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.ports import LOOPBACK
from workflows.settings import Settings

FLOWER_USER: Final = "orchestrator"
_CELERY: Final = (sys.executable, "-m", "celery", "-A", "orchestrator_tasks")
_WORKER_FLAGS: Final = ("--without-gossip", "--without-mingle", "-Ofair", "--loglevel=INFO")
GENERAL_QUEUES: Final = "balanced,distributed,maintenance,gpu,safe"
# A worker's soft shutdown takes up to 10 s, also when idle (workflows.broker).
_WORKER_GRACE_S: Final = 15.0
# SIGTERM then means: stop now and give the work back, instead of: render on to the end.
_WORKER_ENVIRON: Final = {"REMAP_SIGTERM": "SIGQUIT"}


def children(
    settings: Settings, environ: Mapping[str, str], *, home: Path, flower_port: int, flower_password: str
) -> tuple[Child, ...]:
    """Every process of ours on this node; `environ` is the whole environment they get, `home` where they keep files."""
    celery = dict(environ)
    worker = {**celery, **_WORKER_ENVIRON}
    flower = {**celery, "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{flower_password}"}
    return (
        _api(settings, environ),
        _module("agent", "orchestrator_tasks.agent", environ=environ),
        _worker("quick", "quick", 2, settings, worker),
        _worker("general", GENERAL_QUEUES, settings.render_slots, settings, worker),
        _module("reconciler", "workflows.cli", "reconcile", environ=environ),
        _celery(
            "beat", "beat", f"--schedule={home / 'beat-schedule'}", "--pidfile=", "--loglevel=INFO", environ=celery
        ),
        _flower(flower_port, flower),
    )


def answers(port: int, path: str, wanted: set[int], headers: Mapping[str, str] | None = None) -> bool:
    """Whether GET `path` on this machine's `port` gives one of the `wanted` statuses, within 2 s."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        return connection.getresponse().status in wanted
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _api(settings: Settings, environ: Mapping[str, str]) -> Child:
    argv = ("-c", "python:orchestrator_api.gunicorn_conf", "--bind", f"{settings.bind_host}:{settings.port}")
    return Child(
        name="api",
        argv=(sys.executable, "-m", "gunicorn", *argv, "orchestrator_api.wsgi:app"),
        cwd=Path.cwd(), env=environ, ready_within_s=60.0,
        ready=lambda: answers(settings.port, "/ready", {200}),
    )  # fmt: skip


def _flower(port: int, environ: Mapping[str, str]) -> Child:
    options = (f"--address={LOOPBACK}", f"--port={port}")
    return Child(
        name="flower", argv=(*_CELERY, "flower", *options), cwd=Path.cwd(), env=environ, ready_within_s=60.0,
        ready=lambda: answers(port, "/", {200, 302, 401}),
    )  # fmt: skip


def _worker(name: str, queues: str, slots: int, settings: Settings, environ: Mapping[str, str]) -> Child:
    options = ("-Q", queues, "-n", f"{name}@{settings.node}", "-c", str(slots), *_WORKER_FLAGS)
    return _celery(f"worker-{name}", "worker", *options, environ=environ, grace_s=_WORKER_GRACE_S)


def _celery(name: str, *argv: str, environ: Mapping[str, str], grace_s: float = 10.0) -> Child:
    return Child(name=name, argv=(*_CELERY, *argv), cwd=Path.cwd(), env=environ, ready=_started, grace_s=grace_s)


def _module(name: str, module: str, *arguments: str, environ: Mapping[str, str]) -> Child:
    argv = (sys.executable, "-m", module, *arguments)
    return Child(name=name, argv=argv, cwd=Path.cwd(), env=environ, ready=_started)


def _started() -> bool:
    """For those that open no port: the API's /ready answers 200 only when they have reported to the ledger."""
    return True
