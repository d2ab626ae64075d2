"""Which node gets a job: pure functions over a snapshot of the fleet. Each returns None when nothing fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workflows.planning.model import Need


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """One live node at one moment. `speed` is its calibrated encode Mpx per CPU second; `turn` counts its grants."""

    id: str
    threads: int
    memory_bytes: int
    disk_bytes: int
    used_threads: int
    used_memory_bytes: int
    used_disk_bytes: int
    running: int
    quick_running: int
    speed: float
    turn: int


Strategy = Callable[[Sequence[NodeLoad], Need], NodeLoad | None]


def fits(node: NodeLoad, need: Need, *, quick: bool) -> bool:
    """Memory and disk strictly; threads too, but the quick lane may exceed them by one render a node.

    A job planned for more threads than the node has may run there alone: its fleet may have shrunk since.
    """
    room = (
        node.used_memory_bytes + need.memory_bytes <= node.memory_bytes
        and node.used_disk_bytes + need.disk_bytes <= node.disk_bytes
    )
    threads = node.used_threads == 0 or node.used_threads + need.threads <= node.threads
    return room and (threads or (quick and node.quick_running == 0))


def round_robin(nodes: Sequence[NodeLoad], need: Need) -> NodeLoad | None:
    """The node whose last grant is longest ago, counted in turns."""
    del need
    return min(nodes, key=lambda node: (node.turn, node.id), default=None)


def weighted(nodes: Sequence[NodeLoad], need: Need) -> NodeLoad | None:
    """The node with the largest share of its threads left after the job."""
    return min(nodes, key=lambda node: ((node.used_threads + need.threads) / node.threads, node.id), default=None)


def least_connections(nodes: Sequence[NodeLoad], need: Need) -> NodeLoad | None:
    """The node that runs the fewest jobs."""
    del need
    return min(nodes, key=lambda node: (node.running, node.id), default=None)


def performance_based(nodes: Sequence[NodeLoad], need: Need) -> NodeLoad | None:
    """The node with the most calibrated speed per job it would then run."""
    del need
    return max(nodes, key=lambda node: (node.speed / (node.running + 1), node.id), default=None)


def ai_driven(nodes: Sequence[NodeLoad], need: Need) -> NodeLoad | None:
    """The node where the cost model expects the job to end first: work shares the threads that are really there."""

    def expected(node: NodeLoad) -> float:
        crowding = max(1.0, (node.used_threads + need.threads) / node.threads)
        return crowding / (node.speed or 1.0)

    return min(nodes, key=lambda node: (expected(node), node.running, node.id), default=None)


STRATEGIES: dict[str, Strategy] = {
    "round_robin": round_robin,
    "weighted": weighted,
    "least_connections": least_connections,
    "performance_based": performance_based,
    "ai_driven": ai_driven,
}
