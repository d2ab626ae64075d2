"""What a worker process holds while it lives: settings, policy, ledger engine, broker app, object store, source cache.

Made on first use and per process, so that nothing connects at import and a forked child shares no socket.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from celery import Celery
from sqlalchemy import Engine

from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.cache import SourceCache
from orchestrator_tasks.fetch.wire import Route, resolve_host
from workflows import policy, settings, submit
from workflows.broker import make_app
from workflows.db.engine import engine_of
from workflows.policy import Policy
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

BOOT_ID = secrets.token_hex(4)  # made before the pool forks: children inherit their worker's


@dataclass(frozen=True)
class Runtime:
    """One process's tools. Cached properties connect when first used."""

    settings: Settings
    policy: Policy

    @property
    def engine(self) -> Engine:
        """The ledger, through this process's own pool."""
        return engine_of(self.settings)

    @property
    def app(self) -> Celery:
        """The broker's app. A pool child publishes with its worker's; Celery renews the pools after a fork."""
        return _app(self.settings)

    @cached_property
    def store(self) -> ObjectStore:
        """The object store."""
        return ObjectStore(self.settings)

    @cached_property
    def cache(self) -> SourceCache:
        """The node's source cache."""
        return SourceCache.from_settings(self.settings)

    @cached_property
    def route(self) -> Route:
        """How this process may reach the outside."""
        return Route(policy=AddressPolicy.from_settings(self.settings, resolve=resolve_host))

    def publish(self, orchestration_id: str) -> bool:
        """Send the canvas of what is left of a job; False leaves it to the reconciler."""
        return submit.publish(self.app, self.engine, orchestration_id)

    def scratch(self, orchestration_id: str) -> Path:
        """The job's scratch directory on this node."""
        return self.settings.home / "scratch" / orchestration_id


@cache
def _app(chosen: Settings) -> Celery:
    return make_app(chosen, lambda: runtime().engine, program=True)


@cache
def _runtime(pid: int) -> Runtime:
    del pid
    return Runtime(settings=settings.load(), policy=policy.load())


def runtime() -> Runtime:
    """This process's runtime."""
    return _runtime(os.getpid())


def pid_space() -> str:
    """Names the set of processes whose pids mean something to each other (a container has its own)."""
    try:
        return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return socket.gethostname()


def owner(worker: str) -> str:
    """Who holds a lease: worker, boot, pid space and process. `agent` reads it back to spot the dead."""
    return f"{worker}:{BOOT_ID}/{pid_space()}/{os.getpid()}"
