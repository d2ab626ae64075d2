"""A service of one's own, started as a child process and stopped again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator_tasks.embedded.child import command
from workflows.client import Client

START_TIMEOUT_S: Final = 90.0
STOP_TIMEOUT_S: Final = 60.0  # a worker in the middle of a render takes about 15 s to give it back
LOOPBACK: Final = "127.0.0.0/8"


class StackError(Exception):
    """The service did not start, or died. `log` has the last lines it wrote."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running service."""

    ready: Mapping[str, Any]  # the ready file: url, api_key, flower_url, database_url, ...
    started_in_s: float

    @property
    def client(self) -> Client:
        """A client with the stack's own key."""
        return Client(url=self.ready["url"], api_key=self.ready.get("api_key") or "")


@contextmanager
def running(data_dir: Path, *, environ: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start a stack that may fetch from loopback, and stop it at the end. Raises StackError with its log's tail."""
    data_dir.mkdir(parents=True, exist_ok=True)
    ready_file, log_file = data_dir / "ready.json", data_dir / "up.log"
    ready_file.unlink(missing_ok=True)
    argv = [
        sys.executable, "-m", "orchestrator_tasks.embedded", "up",
        "--data-dir", str(data_dir), "--port", "0", "--ready-file", str(ready_file),
    ]  # fmt: skip
    begin = time.monotonic()
    with log_file.open("wb") as log:
        child = subprocess.Popen(
            command(argv, None), env={**os.environ, "SOURCE_ALLOW_PRIVATE": LOOPBACK, **(environ or {})},
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours: we stop it in order
        )  # fmt: skip
    try:
        ready = _await_ready(child, ready_file, log_file)
        yield Stack(ready=ready, started_in_s=time.monotonic() - begin)
    finally:
        _stop(child, log_file)


def _await_ready(child: subprocess.Popen[bytes], ready_file: Path, log_file: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise StackError(f"The service ended while starting, with exit code {child.returncode}.", tail(log_file))
        if ready_file.exists() and (text := ready_file.read_text()).endswith(("}", "}\n")):
            return dict(json.loads(text))
        time.sleep(0.05)
    raise StackError(f"The service was not ready after {START_TIMEOUT_S:.0f} s.", tail(log_file))


def _stop(child: subprocess.Popen[bytes], log_file: Path) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired as err:
        child.kill()
        child.wait()
        message = f"The service did not stop within {STOP_TIMEOUT_S:.0f} s and was killed."
        raise StackError(message, tail(log_file)) from err


def stop_on_sigterm() -> None:
    """Make SIGTERM end this program as Ctrl-C does: in order, with the stack stopped and temporary files removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def tail(path: Path, lines: int = 30) -> str:
    """The last lines of a text file; "" if there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
