"""Whether the processes that open no port have come up: they say so in the ledger."""

from __future__ import annotations

from typing import Final, LiteralString

import psycopg

_FRESH_S: Final = 10.0  # two beats of a worker; rows of a killed predecessor are older
_WORKER: Final = """
    SELECT count(*) FROM workers
    WHERE starts_with(id, %(name)s || ':') AND heartbeat_at > clock_timestamp() - make_interval(secs => %(fresh)s)"""
_NODE: Final = """
    SELECT count(*) FROM nodes
    WHERE id = %(name)s AND state <> 'down' AND heartbeat_at > clock_timestamp() - make_interval(secs => %(fresh)s)"""


def worker_beats(database_url: str, name: str) -> bool:
    """Whether the Celery worker `name` (as in `-n`) has beaten lately."""
    return _counts(database_url, _WORKER, name)


def node_beats(database_url: str, name: str) -> bool:
    """Whether the agent of node `name` has registered it and beats."""
    return _counts(database_url, _NODE, name)


def _counts(database_url: str, query: LiteralString, name: str) -> bool:
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            row = connection.execute(query, {"name": name, "fresh": _FRESH_S}).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])
