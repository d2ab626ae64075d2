"""Waiting on conditions, with a bound, and finding processes."""

import time
from collections.abc import Callable

import psutil


def until(condition: Callable[[], object], what: str, within_s: float = 20.0) -> None:
    """Return once `condition` holds; fail with `what` after `within_s`."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"did not happen within {within_s} s: {what}"
        time.sleep(0.02)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie does not."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def mentioning(text: str) -> list[psutil.Process]:
    """Every process whose command line contains `text`."""
    return [p for p in psutil.process_iter(["cmdline"]) if text in " ".join(p.info["cmdline"] or ())]
