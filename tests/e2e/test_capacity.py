"""One more worker, started by hand from the environment alone, is part of the fleet."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

import pytest

from tests.e2e import jobs
from tests.e2e.conditions import until

COMMAND = ("-m", "celery", "-A", "orchestrator_tasks", "worker", "-Q", "quick,balanced", "-c", "1", "-n", "extra@here")
NAMES = (
    "PATH", "HOME", "NODE_ID", "DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "DATA_DIR", "SOURCE_ALLOW_PRIVATE", "LEASE_S", "HEARTBEAT_S",
)  # fmt: skip


def extra_rows(stack):
    return stack.sql("SELECT * FROM workers WHERE starts_with(id, 'extra@here:')")


@pytest.fixture
def extra(stack, tmp_path):
    """The worker, once it has told of itself."""
    environ = {name: stack.environ[name] for name in NAMES if name in stack.environ} | {"REMAP_SIGTERM": "SIGQUIT"}
    with (tmp_path / "extra.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *COMMAND], env=environ, stdout=log, stderr=log, start_new_session=True
        )  # fmt: skip
        try:
            until(lambda: extra_rows(stack) or process.poll() is not None, "the worker registers")
            assert process.poll() is None, (tmp_path / "extra.log").read_text()
            yield process
        finally:
            process.terminate()
            process.wait(30)
        until(lambda: not extra_rows(stack), "the worker takes its row along")


@contextlib.contextmanager
def standing_still(*workers):
    """The workers and their pools do nothing while the block runs, as if their machine had frozen."""
    below = [process for worker in workers for process in (worker, *worker.children(recursive=True))]
    for process in below:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in below:
            process.send_signal(signal.SIGCONT)


def test_a_worker_from_the_environment_alone_registers_and_takes_jobs_of_both_classes(stack, clip, extra):
    (row,) = extra_rows(stack)
    assert (row.pid, row.slots, row.node) == (extra.pid, 1, stack.settings.node)
    assert {"quick", "balanced"} <= set(row.queues)
    bodies = [jobs.quick(clip), jobs.quick(clip, workflow="balanced_async")]
    with standing_still(stack.child("worker-quick"), stack.child("worker-general")):
        for body in bodies:
            stack.post(body, timeout_s=60)
        for body in bodies:
            until(lambda b=body: stack.job(b["id"]).state == "succeeded", f"{body['id']} is done")
    for body in bodies:
        stack.completed(body["id"])
        stack.ended_once(body["id"])
        owners = {data["owner"] for _, step, data in stack.history(body["id"], "step_started") if step == "process"}
        assert all(owner.startswith("extra@here:") for owner in owners), owners
