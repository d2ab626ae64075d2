"""Container limits, as the kernel writes them into the cgroup files."""

import os

import psutil
import pytest

from orchestrator_tasks import machine


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("50000 100000", 1), ("150000 100000", min(2, len(os.sched_getaffinity(0)))), ("max 100000", None)],
)
def test_cores_obey_the_containers_quota(tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert machine.cores(tmp_path) == (cores or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("limit", "expected"), [("1073741824", 1 << 30), ("max", None), (None, None)])
def test_memory_obeys_the_containers_limit(tmp_path, limit, expected):
    if limit:
        (tmp_path / "memory.max").write_text(limit + "\n")
    assert machine.memory_bytes(tmp_path) == (expected or psutil.virtual_memory().total)
