"""Starts children, waits until they are ready, restarts those that die, and ends them all. One thread, no busy loop."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from orchestrator_tasks.embedded.child import Child, bury, end, kill, spawn, tree

log = structlog.get_logger(__name__)

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 30.0
STABLE_S: Final = 60.0  # a child that ran this long starts again from the first backoff
LOG_LIMIT_BYTES: Final = 16 * 1024**2
HOUSEKEEPING_S: Final = 5.0


class ChildError(RuntimeError):
    """A child ended or was not ready in time while the stack started. The message has the last lines of its log."""


class StopRequestedError(RuntimeError):
    """A stop was asked for while the stack started."""


def backoff_s(failures: int) -> float:
    """Seconds to wait before the start that follows the `failures`-th death in a row: 0.5, 1, 2 .. 30."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures - 1, 16)))


@dataclass(slots=True)
class Running:
    """One supervised child between two looks at it."""

    child: Child
    process: subprocess.Popen[bytes]
    pidfd: int
    started_s: float
    ready: bool = False
    failures: int = 0
    restart_at_s: float | None = None


@dataclass(slots=True)
class Supervisor:
    """The children of one stack. `wake_fd` becomes readable when `stopping` may have changed (a signal arrived)."""

    log_dir: Path
    wake_fd: int | None = None
    stopping: Callable[[], bool] = lambda: False
    groups: list[list[Running]] = field(default_factory=list)

    def start(self, children: Sequence[Child]) -> None:
        """Start `children` side by side and return when all are ready.

        Call from the main thread. Raises ChildError when one ends or is late, StopRequestedError when a stop is asked
        for; what was started stays for `stop`.
        """
        group: list[Running] = []
        self.groups.append(group)
        for child in children:
            group.append(_launch(child, self.log_dir))  # noqa: PERF401 - `stop` must see each one as soon as it runs
        while True:
            if self.stopping():
                raise StopRequestedError("stopped while starting")
            for running in group:
                self._look_at_start(running)
            if all(running.ready for running in group):
                return
            self._sleep(min(running.child.probe_s for running in group if not running.ready), group)

    def watch(self) -> None:
        """Keep every child running until a stop is asked for."""
        while not self.stopping():
            now = time.monotonic()
            for running in self._all():
                self._tend(running, now)
            due = [running.restart_at_s - now for running in self._all() if running.restart_at_s is not None]
            self._sleep(max(0.0, min([*due, HOUSEKEEPING_S])), self._all())

    def stop(self) -> None:
        """End the children, the last started group first, each within its grace; nothing of their trees survives."""
        for group in reversed(self.groups):
            _end_all(group)
        self.groups.clear()

    def pids(self) -> dict[str, int]:
        """The process id of each running child by name."""
        return {running.child.name: running.process.pid for running in self._all() if running.restart_at_s is None}

    def _all(self) -> list[Running]:
        return [running for group in self.groups for running in group]

    def _look_at_start(self, running: Running) -> None:
        child = running.child
        code = running.process.poll()
        if code is not None:
            raise ChildError(f"{child.name} ended with {code} while starting: {self._tail(child)}")
        if not running.ready and child.ready():
            running.ready = True
            log.info("child_ready", child=child.name, seconds=round(time.monotonic() - running.started_s, 2))
        elif not running.ready and time.monotonic() - running.started_s > child.ready_within_s:
            raise ChildError(f"{child.name} was not ready within {child.ready_within_s:.0f} s: {self._tail(child)}")

    def _tend(self, running: Running, now: float) -> None:
        if running.restart_at_s is not None:
            if now >= running.restart_at_s:
                _restart(running, self.log_dir)
        elif (code := running.process.poll()) is not None:
            _mourn(running, code, now)
        _bound_log(self.log_dir / f"{running.child.name}.log")

    def _sleep(self, seconds: float, watched: Iterable[Running]) -> None:
        """Sleep, but wake at once when a watched child ends or a signal arrives."""
        poll = select.poll()
        for running in watched:
            if running.restart_at_s is None:
                poll.register(running.pidfd, select.POLLIN)
        if self.wake_fd is not None:
            poll.register(self.wake_fd, select.POLLIN)
        for fd, _ in poll.poll(seconds * 1000):
            if fd == self.wake_fd:
                os.read(fd, 512)

    def _tail(self, child: Child) -> str:
        lines = (self.log_dir / f"{child.name}.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-5:])


def _launch(child: Child, log_dir: Path) -> Running:
    process = spawn(child, log_dir / f"{child.name}.log")
    log.info("child_started", child=child.name, pid=process.pid)
    return Running(child=child, process=process, pidfd=os.pidfd_open(process.pid), started_s=time.monotonic())


def _mourn(running: Running, code: int, now: float) -> None:
    """Clear away what a dead child left and plan its next start."""
    os.close(running.pidfd)
    bury(running.child, tree(running.process.pid))
    if now - running.started_s > STABLE_S:
        running.failures = 0
    running.failures += 1
    wait_s = backoff_s(running.failures)
    running.restart_at_s = now + wait_s
    log.warning("child_died", child=running.child.name, exit_code=code, failures=running.failures, restart_in_s=wait_s)


def _restart(running: Running, log_dir: Path) -> None:
    fresh = _launch(running.child, log_dir)
    running.process, running.pidfd, running.started_s = fresh.process, fresh.pidfd, fresh.started_s
    running.restart_at_s = None


def _end_all(group: Sequence[Running]) -> None:
    """Signal the whole group once (a second signal means "at once" to Celery), so that the graces run side by side."""
    alive = [running for running in group if running.restart_at_s is None]
    below = [process for running in alive for process in tree(running.process.pid)]
    told_s = time.monotonic()
    for running in alive:
        if running.process.poll() is None:
            running.process.send_signal(running.child.stop_signal)
    for running in alive:
        left_s = told_s + running.child.grace_s - time.monotonic()
        end(running.process, running.child, max(0.0, left_s))
        os.close(running.pidfd)
        log.info("child_stopped", child=running.child.name, exit_code=running.process.returncode)
    kill(below)


def _bound_log(path: Path) -> None:
    """Move a log past LOG_LIMIT_BYTES to `.1` and begin anew; the child's descriptor appends, so it may go on."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return
    if size <= LOG_LIMIT_BYTES:
        return
    with path.open("rb") as file:
        file.seek(-LOG_LIMIT_BYTES, os.SEEK_END)
        path.with_suffix(".log.1").write_bytes(file.read())
    os.truncate(path, 0)
