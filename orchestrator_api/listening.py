"""One thread per process that hears which job has changed (LISTEN), and survives every loss of its connection.

A hint only: whoever waits reads the row again every second anyway, so a lost notification, or a pooler that passes
none, costs time and nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

import psycopg
import structlog
from psycopg import sql

from workflows.jobs.events import CHANNEL

log = structlog.get_logger(__name__)

APPLICATION: Final = "orchestrator-listen"
PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between attempts to connect
LOOK_UP_S: Final = 0.5  # how soon `close` is noticed
ALIVE_S: Final = 10.0  # a silent connection is asked whether it still lives


class Listener:
    """Calls `heard(orchestration_id)` for each notification, `heard(None)` when some may have been missed."""

    def __init__(self, database_url: str, heard: Callable[[str | None], None]) -> None:
        self._database_url, self._heard = database_url, heard
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closed = threading.Event()

    def ensure_running(self) -> None:
        """Start the thread unless this process has it: the first waiter after a fork does."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive() and self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="listen", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread and its connection."""
        self._closed.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join()

    def _run(self) -> None:
        attempt = 0
        while not self._closed.is_set():
            try:
                with self._connect() as conn:
                    attempt = 0
                    self._heard(None)
                    self._hear(conn)
            except psycopg.Error as err:
                log.warning("listen_lost", error=type(err).__name__, attempt=attempt)
                self._closed.wait(PAUSE_S[min(attempt, len(PAUSE_S) - 1)])
                attempt += 1

    def _connect(self) -> psycopg.Connection:
        conn = psycopg.connect(
            self._database_url, autocommit=True, connect_timeout=5, application_name=APPLICATION,
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3, prepare_threshold=None,
        )  # fmt: skip
        conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        return conn

    def _hear(self, conn: psycopg.Connection) -> None:
        silent_s = 0.0
        while not self._closed.is_set():
            silent_s += LOOK_UP_S
            for notice in conn.notifies(timeout=LOOK_UP_S):
                silent_s = 0.0
                self._heard(notice.payload)
                if self._closed.is_set():
                    return
            if silent_s >= ALIVE_S:
                conn.execute("SELECT 1")
                silent_s = 0.0
