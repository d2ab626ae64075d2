"""Database engines: one a process, small, fit for a transaction pooler. Nothing connects at import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

from workflows.errors import Unavailable
from workflows.settings import Settings


def make_engine(settings: Settings, *, pool_size: int = 1, max_overflow: int = 1) -> Engine:
    """An engine with a bounded pool; waits at most 5 s for a connection and 5 s to connect.

    Server-side prepared statements are off, as a transaction pooler needs.
    """
    return create_engine(
        settings.sqlalchemy_url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "prepare_threshold": None,
            "application_name": "orchestrator",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15000,
        },
    )


@cache
def process_engine(settings: Settings, pool_size: int = 1, pid: int = 0) -> Engine:
    """This process's engine. Call through `engine_of`, which tells processes apart after a fork."""
    del pid
    return make_engine(settings, pool_size=pool_size)


def engine_of(settings: Settings, pool_size: int = 1) -> Engine:
    """The engine of the running process; a forked child gets its own."""
    return process_engine(settings, pool_size, os.getpid())


@contextmanager
def reachable(what: str = "the database") -> Iterator[None]:
    """Turn a lost connection into Unavailable, for edges that answer people."""
    try:
        yield
    except OperationalError as err:
        raise Unavailable(f"{what} does not answer") from err
