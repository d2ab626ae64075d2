"""Trying a transaction again while the database is away, for work that would be lost otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

log = structlog.get_logger(__name__)
T = TypeVar("T")
FIRST_S, MOST_S = 0.2, 2.0


def patiently(work: Callable[[], T], *, for_s: float = 30.0) -> T:
    """What `work` returns, tried again while the connection fails; the last error after `for_s` seconds.

    `work` must be a whole transaction, guarded so that a second run of one that was committed does no harm.
    """
    until, pause = time.monotonic() + for_s, FIRST_S
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as err:
            if time.monotonic() + pause > until:
                raise
            log.warning("database_away", error=str(err.orig), again_in_s=pause)
            time.sleep(pause)
            pause = min(2 * pause, MOST_S)
