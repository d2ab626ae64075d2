"""A worker whose every move a test makes: real steps on the real engines, with real sources."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import Ignore

from orchestrator_tasks import runtime, task
from orchestrator_tasks.steps import STEPS
from tests.e2e import footage, jobs
from tests.e2e.web import Media, Receiver, receiving_hooks, serving_media
from workflows.fleet.registry import NodeFacts, beat_worker, register_node
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import StepState
from workflows.policy import Policy
from workflows.submit import submit

# What a pool child does with one message, in a process that a failpoint may kill.
VICTIM = """
import sys
from celery.exceptions import Ignore
from orchestrator_tasks import runtime, task
from orchestrator_tasks.steps import STEPS
from workflows import failpoints
failpoints.configure(runtime.runtime().settings.failpoint)
try:
    task.execute(sys.argv[1], STEPS[sys.argv[2]], "victim@here")
except Ignore:
    pass
"""


@dataclass
class Hands:
    """A worker whose every move the test makes. `job` is the one that was submitted last."""

    ledger: Any
    tools: runtime.Runtime
    media: Media
    job: Job | None = None

    def submit(self, template: str, source: str | None = None, **changes: Any) -> Job:
        """Accept a job of a template, as the API does."""
        body = jobs.quick(source or self.media.of("clip.mp4"), workflow=template, **changes)
        done = submit(
            self.tools.engine, self.tools.app, self.tools.settings, Policy(), tenant="acme", body=body,
            idempotency_key=None,
        )  # fmt: skip
        self.job = done.job
        return done.job

    def step(self, name: str) -> Step:
        """One step of the job as it is now."""
        return self.ledger.steps(self.job)[name]

    @property
    def now(self) -> Job:
        """The job as it is now."""
        return self.ledger.job(self.job)

    def do(self, name: str) -> Step:
        """Run a step as its task does; the step afterwards."""
        with contextlib.suppress(Ignore):
            task.execute(self.step(name).id, STEPS[name], "hand@here")
        return self.step(name)

    def do_and_die(self, name: str, failpoint: str) -> int:
        """Run a step in a process of its own that dies at a failpoint; its exit code."""
        environ = {**os.environ, "ORCHESTRATOR_FAILPOINT": f"{failpoint}:crash"}
        argv = [sys.executable, "-c", VICTIM, self.step(name).id, name]
        return subprocess.run(argv, env=environ, capture_output=True, timeout=60, check=False).returncode

    def skip(self, name: str, **output: Any) -> None:
        """Have a step done without its work: what a no-op would leave."""
        self.ledger.complete(self.ledger.claim(self.job, name), **output)

    def up_to(self, last: str, *, without: str | None = None) -> Step:
        """Run the job's steps up to `last`, in order, skipping one; the last step."""
        for name in list(self.ledger.steps(self.job)):
            if self.step(name).state is StepState.READY:
                self.skip(name) if name == without else self.do(name)
            if name == last:
                break
        return self.step(last)

    def allocation(self) -> Any:
        """The job's reservation."""
        return self.ledger.query(
            "SELECT * FROM allocations WHERE orchestration_id = :id", id=self.job.orchestration_id
        )[0]

    def artifacts(self) -> list[str]:
        """The states of the job's artifacts."""
        rows = self.ledger.query(
            "SELECT state FROM artifacts WHERE orchestration_id = :id", id=self.job.orchestration_id
        )
        return [row.state for row in rows]

    def failed_step(self) -> str:
        """The step whose failure ended the job."""
        rows = self.ledger.query(
            "SELECT step FROM events WHERE orchestration_id = :id AND type = 'step_failed' ORDER BY number",
            id=self.job.orchestration_id,
        )  # fmt: skip
        return rows[-1].step


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media")
    footage.generate(path / "clip.mp4", "testsrc2=s=320x180:r=30:d=1", *footage.X264, sound="sine=f=440:d=1")
    return path


@pytest.fixture
def media(library: Path) -> Iterator[Media]:
    with serving_media() as server:
        server.add("clip.mp4", library / "clip.mp4")
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_hooks() as server:
        yield server


@pytest.fixture
def hands(engines, database, ledger, media, own_runtime, monkeypatch, tmp_path) -> Iterator[Hands]:  # noqa: PLR0917
    own = {
        "DATABASE_URL": database, "DATA_DIR": str(tmp_path / "node"), "SOURCE_ALLOW_PRIVATE": "127.0.0.0/8",
        "RENDER_THREADS": "1",
    }  # fmt: skip
    for name, value in {**engines.variables, **own}.items():
        monkeypatch.setenv(name, value)
    tools = runtime.runtime()
    with ledger.engine.begin() as conn:
        register_node(conn, node(tools))
        beat_worker(conn, "hand@here", node=tools.settings.node, pid=1, queues=["quick", "balanced"], slots=4)
    yield Hands(ledger, tools, media)
    tools.engine.dispose()


@pytest.fixture
def own_runtime() -> Iterator[None]:
    """The runtime is made from the environment of the test, and forgotten after it."""
    runtime._runtime.cache_clear()
    yield
    runtime._runtime.cache_clear()


def node(tools: runtime.Runtime) -> NodeFacts:
    return NodeFacts(
        id=tools.settings.node, boot_id="b", capabilities={"render_threads": 1}, performance={}, threads=8,
        memory_bytes=16 * 2**30, disk_bytes=16 * 2**30, version="0",
    )  # fmt: skip
