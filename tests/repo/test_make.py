"""The Makefile's targets, and what it says where there is no usable Python."""

import os
import subprocess

import pytest

from tests.repo import ROOT

TARGETS = (
    "demo",
    "up",
    "test",
    "check",
    "verify",
    "bench",
    "chaos",
    "migrate",
    "watch",
    "coverage",
    "format",
    "lock",
    "docs",
    "clean",
)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would; the variables of an outer make are not handed on."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "TEST", "PYTHON"))
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_help_lists_every_target():
    listed = [line.split()[1] for line in make("help").stdout.splitlines() if line.startswith("  make ")]
    assert sorted(listed) == sorted(["help", *TARGETS])


@pytest.mark.parametrize("target", TARGETS)
def test_target_can_be_planned(target):
    run = make("-n", target)
    assert run.returncode == 0, run.stderr


def test_a_machine_without_python_is_told_so(tmp_path):
    run = make("test", f"VENV={tmp_path / 'venv'}", "PYTHON=")
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stderr
    assert not (tmp_path / "venv").exists()
