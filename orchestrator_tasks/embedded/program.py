"""The processes of the orchestrator itself, as data: what `orchestrator up` starts on top of the engines."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from orchestrator_tasks.embedded import presence
from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.ports import LOOPBACK
from workflows.settings import Settings

FLOWER_USER: Final = "orchestrator"
_CELERY: Final = ("-m", "celery", "-A", "orchestrator_tasks")
_WORKER_FLAGS: Final = ("--without-gossip", "--without-mingle", "-Ofair", "--loglevel=INFO")
# Both take maintenance, which is short: a webhook or a compensation must not wait behind long renders.
QUICK_QUEUES: Final = "quick,maintenance"
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
        _agent(settings, environ),
        _worker("quick", QUICK_QUEUES, 2, settings, worker),
        _worker("general", GENERAL_QUEUES, settings.render_slots, settings, worker),
        _python("reconciler", ("-m", "workflows.cli", "reconcile"), environ),
        _python("beat", (*_CELERY, "beat", f"--schedule={home / 'beat-schedule'}", "--pidfile="), celery),
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
    options = ("-c", "python:orchestrator_api.gunicorn_conf", "--bind", f"{settings.bind_host}:{settings.port}")
    api = _python("api", ("-m", "gunicorn", *options, "orchestrator_api.wsgi:app"), environ)
    return replace(api, ready=lambda: answers(settings.port, "/ready", {200}))


def _flower(port: int, environ: Mapping[str, str]) -> Child:
    flower = _python("flower", (*_CELERY, "flower", f"--address={LOOPBACK}", f"--port={port}"), environ)
    return replace(flower, ready=lambda: answers(port, "/", {200, 302, 401}))


def _agent(settings: Settings, environ: Mapping[str, str]) -> Child:
    agent = _python("agent", ("-m", "orchestrator_tasks.agent"), environ)
    return replace(agent, ready=lambda: presence.node_beats(settings.database_url, settings.node))


def _worker(name: str, queues: str, slots: int, settings: Settings, environ: Mapping[str, str]) -> Child:
    host = f"{name}@{settings.node}"
    argv = (*_CELERY, "worker", "-Q", queues, "-n", host, "-c", str(slots), *_WORKER_FLAGS)
    worker = _python(f"worker-{name}", argv, environ)
    return replace(worker, grace_s=_WORKER_GRACE_S, ready=lambda: presence.worker_beats(settings.database_url, host))


def _python(name: str, arguments: tuple[str, ...], environ: Mapping[str, str]) -> Child:
    """A program of ours; ready as soon as it runs, unless the caller knows better."""
    argv = (sys.executable, *arguments)
    return Child(
        name=name, argv=argv, cwd=Path.cwd(), env=environ, ready=lambda: True, ready_within_s=90.0, probe_s=0.25
    )
