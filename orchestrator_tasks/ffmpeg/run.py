"""Runs one compiled command to its end, and leaves nothing behind whatever happens.

One thread does everything: it reads progress and errors, watches for a stall, the time limit and the caller's wish to
stop. However it is left, FFmpeg's process group is dead and waited for.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from orchestrator_tasks.ffmpeg import launch
from orchestrator_tasks.ffmpeg.command import Command
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.progress import Progress, ProgressReader
from workflows.errors import (
    Cancelled,
    DeadlineExceeded,
    OrchestratorError,
    RenderFailed,
    RenderStalled,
    SourceCorrupt,
)

POLL_S = 0.1
GRACE_S = 2.0  # between the polite signal and the other
TAIL_LINES = 40
_INPUT_NUMBER = re.compile(r"\[(?:in|vist|aist)#(\d+)")
_READ_ERROR = re.compile(
    r"opening input|during demuxing|Invalid data found|moov atom not found|[Dd]ecod(?:e|ing) error|submitting packet"
)
_WRITE_ERROR = re.compile(r"\[out#|No space left|File too large|Disk quota")
_REAL_WRITE_BYTES = 65536  # less than this may be reports not read yet


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a finished command cost, and the last lines it wrote to stderr."""

    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    stderr_tail: tuple[str, ...]


def run(
    command: Command,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], str | None] = lambda: None,
    stall_s: float = 30.0,
    limit_s: float = 3600.0,
    nice: int = 0,
    keep_lines: int = TAIL_LINES,
) -> RunReport:
    """Run `command` until it ends.

    The report carries the last `keep_lines` lines of stderr. `should_stop` is asked about ten times a second; a reason
    ends the render (Cancelled). Raises RenderStalled after `stall_s` seconds without progress, DeadlineExceeded after
    `limit_s`, SourceCorrupt when FFmpeg could not read an input, RenderFailed for any other failure.
    """
    started = time.monotonic()
    process = launch.start(command.argv, bounds=_bounds(command.limits), nice=nice)
    watch = Watch(process=process, command=command, started=started, tail=deque(maxlen=keep_lines))
    try:
        watch.follow(on_progress, should_stop, stall_s, limit_s)
        watch.wait(GRACE_S)  # it has closed its pipes: it is ending
    finally:
        usage = watch.reap()
    if process.returncode != 0:
        raise _failure(command, process.returncode, tuple(watch.tail))
    return RunReport(
        wall_s=time.monotonic() - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * 1024,
        stderr_tail=tuple(watch.tail),
    )


def _bounds(limits: Limits) -> dict[int, int]:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: limits.cpu_s,
    }
    return {which: value for which, value in wanted.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class Watch:
    """One running FFmpeg and what has been seen of it."""

    process: subprocess.Popen[bytes]
    command: Command
    started: float
    tail: deque[str]
    errors_rest: bytes = b""
    received: int = 0  # bytes read from its pipes
    position: tuple[int, float] = (0, 0.0)
    moved_at: float = 0.0
    written: int | None = None  # bytes it had written to files when progress had stood still for half the stall limit

    def follow(
        self,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], str | None],
        stall_s: float,
        limit_s: float,
    ) -> None:
        """Read until FFmpeg closes its pipes; kill it and raise when it stalls, overruns or is no longer wanted."""
        reader = ProgressReader(frames=self.command.frames)
        self.moved_at = time.monotonic()
        for name, data in self._chunks():
            self.received += len(data)
            if name == "stderr":
                self._keep(data)
            for progress in reader.feed(data) if name == "stdout" else ():
                self._note((progress.frame, progress.out_time_s))
                on_progress(progress)
            self._judge(should_stop, stall_s, limit_s)

    def wait(self, limit_s: float) -> None:
        """Return when FFmpeg has ended, or after `limit_s`."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end and not self._has_ended():
            time.sleep(0.005)

    def reap(self) -> resource.struct_rusage:
        """Make sure the whole group is dead, wait for FFmpeg, and return what it used."""
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return usage

    def _judge(self, should_stop: Callable[[], str | None], stall_s: float, limit_s: float) -> None:
        now = time.monotonic()
        reason = should_stop()
        if reason:
            self._stop_politely()
            raise Cancelled(f"The render was stopped: {reason}.")
        if now - self.started > limit_s:
            self._stop_politely()
            raise DeadlineExceeded(f"The render took longer than {limit_s:g} s.")
        if now - self.moved_at > stall_s / 2:
            self._look_at_files()
        if now - self.moved_at > stall_s:
            raise RenderStalled(f"FFmpeg made no progress for {stall_s:g} s.", details={"stderr": list(self.tail)})

    def _note(self, position: tuple[int, float]) -> None:
        if position != self.position:
            self.position, self.moved_at, self.written = position, time.monotonic(), None

    def _look_at_files(self) -> None:
        """Writing counts as progress: after the last frame the index moves to the front of the file without reports."""
        written = launch.written_bytes(self.process.pid) - self.received
        if self.written is None:
            self.written = written
        elif written - self.written > _REAL_WRITE_BYTES:
            self.written, self.moved_at = None, time.monotonic()

    def _keep(self, data: bytes) -> None:
        *lines, self.errors_rest = (self.errors_rest + data).split(b"\n")
        self.tail.extend(line.decode("utf-8", "replace") for line in lines if line.strip())

    def _chunks(self) -> Iterator[tuple[str, bytes]]:
        """What either pipe brings, and ("", b"") at least every POLL_S, until both are closed."""
        with selectors.DefaultSelector() as selector:
            for name in ("stdout", "stderr"):
                pipe: IO[bytes] = getattr(self.process, name)
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                for key, _ in selector.select(POLL_S):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    yield key.data, data
                yield "", b""

    def _stop_politely(self) -> None:
        self._signal(signal.SIGTERM)
        self.wait(GRACE_S)

    def _has_ended(self) -> bool:
        """Whether FFmpeg has ended; it stays a zombie, so that `reap` learns its cost."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(self.process.pid, number)  # not reaped yet, so the number still names our group


def _failure(command: Command, code: int, tail: Sequence[str]) -> OrchestratorError:
    details: dict[str, Any] = {"exit_code": code, "stderr": list(tail)}
    source = _source_at_fault(command, tail)
    if source is not None:
        return SourceCorrupt("FFmpeg could not read a source to its end.", details=details | {"source": source})
    if code < 0:
        return RenderFailed(f"FFmpeg was ended by {signal.Signals(-code).name}.", details=details)
    return RenderFailed(f"FFmpeg ended with code {code}.", details=details)


def _source_at_fault(command: Command, tail: Sequence[str]) -> str | None:
    """The source whose reading failed, when it was not the writing that did."""
    if any(_WRITE_ERROR.search(line) and not _READ_ERROR.search(line) for line in tail):
        return None
    for line in tail:
        if not _READ_ERROR.search(line):
            continue
        number = _INPUT_NUMBER.search(line)
        if number and (source := command.inputs[int(number[1])].source):
            return source
        named = next((each.source for each in command.inputs if str(each.name) in line), None)
        if named:
            return named
    return None
