"""A process around the supervisor, so that whichever of the two is killed, the other ends everything.

The outer process adopts every orphan below it (PR_SET_CHILD_SUBREAPER). Inner one killed: the children of the stack
lose their parent, land here and are killed. Outer one killed: the kernel sends the inner one SIGTERM, and it stops
everything in order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from types import FrameType

import psutil

from orchestrator_tasks.embedded.child import kill

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep(inner: Callable[[], int]) -> int:
    """Run `inner` in a child process and return its exit code (128 + signal if killed), with nothing left running.

    Returns in both processes; the caller ends with the code. Call it from a process with one thread.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    outer = os.getpid()
    pid = os.fork()
    if pid == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        return inner() if os.getppid() == outer else 1
    _forward_signals(pid)
    code = _reap_until(pid)
    while orphans := psutil.Process().children(recursive=True):
        kill(orphans)
        _reap()
    return code


def _forward_signals(pid: int) -> None:
    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in FORWARDED:
        signal.signal(number, forward)


def _reap_until(pid: int) -> int:
    """Wait for `pid`, burying the orphans that end meanwhile."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _reap() -> None:
    """Bury every orphan that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
