"""Starts a program so that it cannot outlive us: own process group, killed by the kernel when its parent dies.

PR_SET_PDEATHSIG follows the thread that started the program: that thread must live as long as it does.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}  # no credentials, no user settings
# Used where util-linux's setpriv is missing: the same by prctl(PR_SET_PDEATHSIG, SIGKILL), then exec.
_SHIM = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) or os._exit(125);os.execv(sys.argv[2],sys.argv[2:])"
)

Bounds = Mapping[int, int]  # resource.RLIMIT_* -> value


def start(
    argv: Sequence[str], *, bounds: Bounds, nice: int = 0, prefer_setpriv: bool = True
) -> subprocess.Popen[bytes]:
    """Start `argv` with both outputs piped, bound by `bounds`, with no input and an almost empty environment."""
    quieter = [nice_program, "-n", str(nice)] if nice and (nice_program := shutil.which("nice")) else []
    process = subprocess.Popen(
        [*_guard(prefer_setpriv), *quieter, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        process_group=0,
    )
    try:
        for which, value in bounds.items():
            _bound(process.pid, which, value)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _guard(prefer_setpriv: bool) -> list[str]:
    program = _setpriv() if prefer_setpriv else None
    if program:
        return [program, "--pdeathsig", "KILL", "--"]
    return [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid())]


@cache
def _setpriv() -> str | None:
    """util-linux's setpriv; busybox has one without --pdeathsig, so it is tried."""
    program = shutil.which("setpriv")
    if program is None:
        return None
    tried = subprocess.run(
        [program, "--pdeathsig", "KILL", "--", sys.executable, "-V"], capture_output=True, check=False
    )
    return program if tried.returncode == 0 else None


def _bound(pid: int, which: int, value: int) -> None:
    """Limit a process that already runs: no code of ours between fork and exec, which threads would make unsafe."""
    try:
        _, hard = resource.prlimit(pid, which)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, which, (ceiling, ceiling))
    except ProcessLookupError:
        pass  # ended already; its exit code says why


def written_bytes(pid: int) -> int:
    """How many bytes the process has written so far; 0 when it is gone or the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)
