"""What a job reserves on a node, from its estimate. Pure."""

from __future__ import annotations

from workflows.analysis.model import Estimate
from workflows.planning.model import Need

MIB = 1024**2
HEADROOM = 1.25  # over the estimated peak: a render that outgrows its reservation is killed, a spare one waits a little


def need(estimate: Estimate, threads: int) -> Need:
    """Threads of the one render, and memory and disk with a quarter to spare, rounded up to whole MiB."""
    return Need(threads=threads, memory_bytes=_spare(estimate.memory_bytes), disk_bytes=_spare(estimate.disk_bytes))


def _spare(size_bytes: int) -> int:
    return -(-int(size_bytes * HEADROOM) // MIB) * MIB
