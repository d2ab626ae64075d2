"""Named locks between processes, by flock. The kernel releases them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 0.25


@contextmanager
def locked(path: Path, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`; the file goes with the last holder. `check` may raise to give up waiting."""
    descriptor = _acquire(path, check)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while still locked: a later holder makes a new file
        os.close(descriptor)


def _acquire(path: Path, check: Callable[[], None]) -> int:
    wait_s, pause = FIRST_WAIT_S, threading.Event()
    while True:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        check()
        pause.wait(wait_s)  # flock has no time limit, and a signal would hit the wrong thread
        wait_s = min(LONGEST_WAIT_S, wait_s * 2)


def _try(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):  # held, or its holder just removed the file
        pass
    os.close(descriptor)
    return None
