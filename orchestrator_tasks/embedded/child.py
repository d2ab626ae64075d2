"""What a child process of the stack is, and how one is started and ended with everything below it."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

LAUNCH: Final = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The account a child runs under."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process of the stack. `ready` is asked every `probe_s`: it must answer at once and never raise."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    user: User | None = None
    ready_within_s: float = 30.0
    probe_s: float = 0.05
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    leftovers: tuple[Path, ...] = ()  # files the program itself does not remove when it is killed


def unprivileged() -> User | None:
    """The account for programs that refuse to run as root; None when we are not root and need no other."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return User(uid=entry.pw_uid, gid=entry.pw_gid)


def command(argv: Iterable[str], user: User | None) -> list[str]:
    """`argv`, its program a path, behind the launcher: dies with this process, runs as `user`."""
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    return [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(uid), str(gid), *argv]


def spawn(child: Child, log_path: Path) -> subprocess.Popen[bytes]:
    """Start `child` in a session of its own, its output appended to `log_path`.

    Call it from a thread that lives as long as the child: the death signal is tied to the thread (prctl(2)).
    """
    log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command(child.argv, child.user), cwd=child.cwd, env=dict(child.env), stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def tree(pid: int) -> list[psutil.Process]:
    """Every process below `pid` or in the session it leads, without `pid` itself."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        found = {process.pid: process for process in psutil.Process(pid).children(recursive=True)}
    for other in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(other.pid) == pid:
                found[other.pid] = other
    found.pop(pid, None)
    return list(found.values())


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL each and wait until they are gone."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def end(process: subprocess.Popen[bytes], child: Child, within_s: float) -> None:
    """Wait up to `within_s` for a `process` that was told to stop, then kill it and whatever is left of its tree."""
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        kill(tree(process.pid))
        process.kill()
        process.wait()
    bury(child, tree(process.pid))


def bury(child: Child, below: Iterable[psutil.Process]) -> None:
    """Kill what a dead child has left running and remove the files it left."""
    kill(below)
    for path in child.leftovers:
        path.unlink(missing_ok=True)
