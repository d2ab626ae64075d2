"""The node agent: one small process per machine. Registers it, calibrates, heartbeats, and cleans up after the dead.

`python -m orchestrator_tasks.agent`. It drains on SIGTERM: the node takes no new jobs from then on.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from dataclasses import asdict
from importlib.metadata import version

import psutil
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from orchestrator_tasks import machine, runtime, workspace
from orchestrator_tasks.ffmpeg import capabilities
from orchestrator_tasks.runtime import Runtime
from workflows.fleet import registry
from workflows.fleet.registry import NodeFacts
from workflows.telemetry import logging

log = structlog.get_logger(__name__)
BEAT_S = 2.0
MEMORY_SHARE = 0.8  # of the machine's memory, for jobs
OWNER = re.compile(r"/(?P<space>[^/]+)/(?P<pid>\d+)$")


def facts(tools: Runtime) -> NodeFacts:
    """What this machine is and can, by trial."""
    settings = tools.settings
    settings.home.mkdir(parents=True, exist_ok=True)
    cores = machine.cores()
    threads = settings.render_threads or cores
    found = capabilities.discover(settings.ffmpeg)
    speed = capabilities.calibrate(settings.ffmpeg)
    return NodeFacts(
        id=settings.node,
        boot_id=runtime.BOOT_ID,
        capabilities={
            **asdict(found),
            "cores": cores,
            "render_threads": threads,
            "render_slots": settings.render_slots,
        },
        performance=asdict(speed),
        threads=threads * settings.render_slots,
        memory_bytes=int(machine.memory_bytes() * MEMORY_SHARE),
        disk_bytes=shutil.disk_usage(settings.home).free,
        version=version("video-orchestrator"),
    )


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    tools = runtime.runtime()
    logging.configure(tools.settings, "agent")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    known = facts(tools)
    registered = False
    while not stop.is_set():
        registered = _turn(tools, known, registered)
        stop.wait(BEAT_S)
    _last(tools)


def _turn(tools: Runtime, known: NodeFacts, registered: bool) -> bool:
    """One beat; whether the node is registered after it. A database that is away is no reason to die."""
    try:
        with tools.engine.begin() as conn:
            if not registered:
                registry.register_node(conn, known)
                log.info("node_registered", node=known.id, threads=known.threads, performance=dict(known.performance))
            alive = registry.beat_node(conn, known.id, load())
        with tools.engine.begin() as conn:
            free_dead_leases(conn, known.id)
        workspace.sweep(tools.settings.home / "scratch", tools.engine)
    except SQLAlchemyError as err:
        log.warning("beat_failed", error=str(err))
        return registered
    return alive


def load() -> dict[str, float]:
    """The machine's load now."""
    return {
        "cpu": psutil.cpu_percent() / 100,
        "memory": psutil.virtual_memory().percent / 100,
        "load1": os.getloadavg()[0],
    }


def free_dead_leases(conn: Connection, node: str) -> int:
    """End the leases of processes on this machine that are dead, instead of waiting for their time to run out.

    Only those of our own pid space are judged: another container's pids mean nothing here.
    """
    freed = 0
    rows = conn.execute(
        text("SELECT DISTINCT lease_owner FROM steps WHERE state = 'running' AND node = :node"), {"node": node}
    )
    for holder in rows.scalars().all():
        match = OWNER.search(holder or "")
        if match and match["space"] == runtime.pid_space() and not alive(int(match["pid"])):
            freed += registry.free_leases_of(conn, holder)
            log.warning("dead_holder", owner=holder)
    for worker, pid in registry.workers_on(conn, node):
        if worker.endswith("/" + runtime.pid_space()) and not alive(pid):
            registry.remove_worker(conn, worker)
    return freed


def alive(pid: int) -> bool:
    """Whether a process lives and is no zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _last(tools: Runtime) -> None:
    try:
        with tools.engine.begin() as conn:
            registry.set_node_state(conn, tools.settings.node, "draining")
    except SQLAlchemyError as err:
        log.warning("drain_not_recorded", error=str(err))


if __name__ == "__main__":
    main()
