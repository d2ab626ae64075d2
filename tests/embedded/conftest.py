"""Running `up` as a process, the way people do."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.embedded.conditions import alive, mentioning, until


@dataclass(frozen=True, kw_only=True)
class Up:
    """One running stack. `tree` are the processes it had when it was ready."""

    process: subprocess.Popen[str]
    data_dir: Path
    ready_file: Path
    note: dict[str, Any]
    tree: list[psutil.Process]

    def child(self, name: str) -> psutil.Process:
        """The engine's own process, a child of the supervisor."""
        return next(p for p in self.tree if name in p.name() and p.ppid() == self.supervisor().pid)

    def supervisor(self) -> psutil.Process:
        """The inner process, parent of the engines."""
        return next(p for p in self.tree if p.ppid() == self.process.pid)

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output

    def leaves_nothing(self) -> None:
        until(lambda: not alive(self.tree), f"end of {self.tree}", 30)
        until(lambda: not mentioning(str(self.data_dir)), "no process names the data directory")


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory that PostgreSQL's account can reach (pytest's own is closed to others)."""
    with tempfile.TemporaryDirectory(prefix="stack-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def up(short_dir: Path) -> Iterator[Callable[..., Up]]:
    """Starts `up`; `before` is a command prefix. Whatever still runs at the end is stopped."""
    started: list[subprocess.Popen[str]] = []

    def start(
        name: str = "a", before: tuple[str, ...] = (), options: tuple[str, ...] = ("--engines-only",), **environ: str
    ) -> Up:
        data_dir, ready_file = short_dir / name, short_dir / f"{name}.json"
        argv = [*before, sys.executable, "-m", "orchestrator_tasks.embedded", "up", *options]
        process = subprocess.Popen(
            [*argv, "--data-dir", str(data_dir), "--ready-file", str(ready_file)],
            env={**_clean(), **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        until(lambda: ready_file.exists() or process.poll() is not None, "the stack is ready", 120)
        assert ready_file.exists(), process.communicate()[0]
        main = psutil.Process(process.pid)
        tree = [main, *main.children(recursive=True)]
        return Up(
            process=process,
            data_dir=data_dir,
            ready_file=ready_file,
            note=json.loads(ready_file.read_text()),
            tree=tree,
        )

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in started:
        process.communicate(timeout=30)


def _clean() -> dict[str, str]:
    external = ("DATABASE_URL", "REDIS_URL", "S3_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(external)}
