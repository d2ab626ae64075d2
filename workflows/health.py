"""Whether the parts a job needs answer: asked afresh, each within a hard time, never by trusting a pool.

A check returns words for people or raises; it never says where a part is or what its error text was, since /health
is open to everyone. `Checkup` runs them side by side for one process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import psycopg
import redis
from alembic.util import CommandError
from psycopg.rows import TupleRow

from workflows.db import migrate
from workflows.errors import OrchestratorError
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

BUDGET_S: Final = 1.5
FRESH_S: Final = 1.0  # so that a crowd of probes asks each part once a second
LIVE_S: Final = 20.0  # a worker or node silent for longer is gone

Probe = Callable[[Settings], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found, and how long it took to say so."""

    name: str
    ok: bool
    detail: str
    latency_ms: float


class PartError(Exception):
    """A part answered, and what it said is not good."""


def database(settings: Settings) -> str:
    """The ledger accepts a connection and a query."""
    (version,) = _row(settings, "SELECT current_setting('server_version')")
    return f"PostgreSQL {version.split()[0]}"


def migrations(settings: Settings) -> str:
    """The ledger has the schema this code was written for."""
    row = _row(settings, "SELECT to_regclass('alembic_version') IS NOT NULL")
    found = _row(settings, "SELECT max(version_num) FROM alembic_version")[0] if row[0] else None
    if found != _newest():
        raise PartError(
            f"the schema is at {found or 'nothing'}, this version needs {_newest()}; run `orchestrator migrate`"
        )
    return f"schema {found}"


def broker(settings: Settings) -> str:
    """Redis or Valkey answers PING. Without it jobs are accepted and run later."""
    with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=1) as client:
        client.ping()
    return "answers"


def storage(settings: Settings) -> str:
    """The bucket answers to our credentials."""
    _store(settings).check(timeout_s=1.0)
    return "the bucket answers"


def workers(settings: Settings) -> str:
    """At least one worker has told of itself in the last seconds."""
    count, slots = _row(
        settings,
        "SELECT count(*), coalesce(sum(slots), 0) FROM workers"
        " WHERE slots > 0 AND heartbeat_at > clock_timestamp() - make_interval(secs => %s)",
        LIVE_S,
    )
    if not count:
        raise PartError("no worker is alive; jobs are accepted and wait")
    return f"{count} alive with {slots} slots"


def reconciler(settings: Settings) -> str:
    """At least one reconciler has told of itself in the last seconds."""
    (count,) = _row(
        settings,
        "SELECT count(*) FROM workers WHERE starts_with(id, 'reconciler@')"
        " AND heartbeat_at > clock_timestamp() - make_interval(secs => %s)",
        LIVE_S,
    )
    if not count:
        raise PartError("no reconciler is alive; lost messages and workers are not repaired")
    return f"{count} alive"


def ffmpeg(settings: Settings) -> str:
    """The live nodes that found a working FFmpeg when they registered."""
    able, live = _row(
        settings,
        "SELECT count(*) FILTER (WHERE coalesce(capabilities->>'ffmpeg', '') NOT IN ('', 'false', 'null')), count(*)"
        " FROM nodes WHERE state <> 'down' AND heartbeat_at > clock_timestamp() - make_interval(secs => %s)",
        LIVE_S,
    )
    if not able:
        raise PartError("no live node reports FFmpeg" if live else "no node is alive")
    return f"on {able} of {live} live nodes"


CHECKS: Final[Mapping[str, Probe]] = {
    "database": database,
    "migrations": migrations,
    "broker": broker,
    "storage": storage,
    "ffmpeg": ffmpeg,
    "workers": workers,
    "reconciler": reconciler,
}
NEEDED_TO_SERVE: Final = frozenset({"database"})
NEEDED_TO_RENDER: Final = frozenset({"database", "migrations", "workers"})


def examine(name: str, probe: Probe, settings: Settings) -> Check:
    """Run one check now, however long it takes."""
    started = time.monotonic()
    try:
        ok, detail = True, probe(settings)
    except PartError as err:
        ok, detail = False, str(err)
    except (psycopg.Error, redis.RedisError, OrchestratorError, CommandError, OSError, ValueError) as err:
        ok, detail = False, f"does not answer ({type(err).__name__})"
    return Check(name=name, ok=ok, detail=detail, latency_ms=round((time.monotonic() - started) * 1000, 1))


class Checkup:
    """The checks of one process. A check that hangs costs one thread, however often the report is asked for."""

    def __init__(self, settings: Settings, checks: Mapping[str, Probe] = CHECKS) -> None:
        self._settings, self._checks = settings, checks
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[float, Future[Check]]] = {}

    def report(self) -> tuple[Check, ...]:
        """All checks, at most a second old. Takes at most `BUDGET_S`: what has not answered by then is not ok."""
        with self._lock:
            runs = {name: self._run(name) for name in self._checks}
        for started, future in runs.values():  # one that hangs since an earlier report is not waited for again
            wait([future], timeout=max(0.0, started + BUDGET_S - time.monotonic()))
        return tuple(_outcome(name, started, future) for name, (started, future) in runs.items())

    def _run(self, name: str) -> tuple[float, Future[Check]]:
        """The check's run under way or just ended, or a new one."""
        known = self._runs.get(name)
        if known is not None and (not known[1].done() or time.monotonic() - known[0] < FRESH_S):
            return known
        future: Future[Check] = Future()
        self._runs[name] = (time.monotonic(), future)
        threading.Thread(target=self._fulfil, args=(name, future), name=f"check-{name}", daemon=True).start()
        return self._runs[name]

    def _fulfil(self, name: str, future: Future[Check]) -> None:
        try:
            future.set_result(examine(name, self._checks[name], self._settings))
        except BaseException as err:  # a defect of the check: the reader gets it, and the next report tries again
            future.set_exception(err)
            raise


def word(checks: tuple[Check, ...]) -> str:
    """`healthy`; `degraded`: jobs are accepted but something is wrong; `unhealthy`: nothing can be accepted."""
    failed = {check.name for check in checks if not check.ok}
    if failed & NEEDED_TO_SERVE:
        return "unhealthy"
    return "degraded" if failed else "healthy"


def ready(checks: tuple[Check, ...]) -> bool:
    """Whether a job posted now would be accepted and run."""
    return all(check.ok for check in checks if check.name in NEEDED_TO_RENDER)


def _outcome(name: str, started: float, future: Future[Check]) -> Check:
    if future.done():
        return future.result()
    waited = time.monotonic() - started
    return Check(name=name, ok=False, detail=f"no answer for {waited:.1f} s", latency_ms=round(waited * 1000, 1))


def _row(settings: Settings, query: str, *parameters: Any) -> TupleRow:
    with psycopg.connect(
        settings.database_url, connect_timeout=2, prepare_threshold=None, application_name="orchestrator-health"
    ) as conn:
        row = conn.execute(query.encode(), parameters).fetchone()
    if row is None:
        raise PartError("the query returned nothing")
    return row


@cache
def _newest() -> str:
    return migrate.newest()


@cache
def _store(settings: Settings) -> ObjectStore:
    return ObjectStore(settings)
