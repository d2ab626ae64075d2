"""Nodes (machines, which own the capacity) and workers (processes on them) as rows with heartbeats in database time."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node says of itself when it registers."""

    id: str
    boot_id: str
    capabilities: Mapping[str, Any]
    performance: Mapping[str, float]
    threads: int
    memory_bytes: int
    disk_bytes: int
    version: str


def register_node(conn: Connection, node: NodeFacts) -> None:
    """Write the node's row; a node that comes back is active again."""
    conn.execute(
        text("""
        INSERT INTO nodes (id, boot_id, state, capabilities, performance, threads, memory_bytes, disk_bytes, version)
        VALUES (:id, :boot, 'active', CAST(:capabilities AS jsonb), CAST(:performance AS jsonb), :threads, :memory,
          :disk, :version)
        ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, state = 'active',
          capabilities = excluded.capabilities, performance = excluded.performance,
          threads = excluded.threads, memory_bytes = excluded.memory_bytes,
          disk_bytes = excluded.disk_bytes, version = excluded.version, registered_at = now(),
          heartbeat_at = clock_timestamp()
        """),
        {
            "id": node.id,
            "boot": node.boot_id,
            "capabilities": json.dumps(dict(node.capabilities)),
            "performance": json.dumps(dict(node.performance)),
            "threads": node.threads,
            "memory": node.memory_bytes,
            "disk": node.disk_bytes,
            "version": node.version,
        },
    )


def beat_node(conn: Connection, node_id: str, load: Mapping[str, float]) -> bool:
    """The node is alive; False when its row is gone and it must register again."""
    changed = conn.execute(
        text("""
        UPDATE nodes SET heartbeat_at = clock_timestamp(), load = CAST(:load AS jsonb),
          state = CASE WHEN state = 'down' THEN 'active' ELSE state END
        WHERE id = :id
        """),
        {"id": node_id, "load": json.dumps(dict(load))},
    )
    return changed.rowcount == 1


def set_node_state(conn: Connection, node_id: str, state: str) -> None:
    """active, draining or down."""
    conn.execute(text("UPDATE nodes SET state = :state WHERE id = :id"), {"state": state, "id": node_id})


def mark_silent_nodes(conn: Connection, ttl_s: float) -> int:
    """Nodes without a heartbeat for `ttl_s` are down; how many that changed."""
    return conn.execute(
        text("""
        UPDATE nodes SET state = 'down'
        WHERE state = 'active' AND heartbeat_at < clock_timestamp() - make_interval(secs => :ttl)
        """),
        {"ttl": ttl_s},
    ).rowcount


def beat_worker(conn: Connection, worker_id: str, *, node: str, pid: int, queues: Collection[str], slots: int) -> None:
    """A worker process is alive; writes its row or renews it."""
    conn.execute(
        text("""
        INSERT INTO workers (id, node, pid, queues, slots) VALUES (:id, :node, :pid, :queues, :slots)
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), queues = excluded.queues,
          slots = excluded.slots
        """),
        {"id": worker_id, "node": node, "pid": pid, "queues": sorted(queues), "slots": slots},
    )


def remove_worker(conn: Connection, worker_id: str) -> None:
    """The worker has stopped; its leases, if any, end with the lease time."""
    conn.execute(text("DELETE FROM workers WHERE id = :id"), {"id": worker_id})


def free_leases_of(conn: Connection, owner: str) -> int:
    """End at once the leases of a process known to be dead, so that the reconciler need not wait for them."""
    return conn.execute(
        text("""
        UPDATE steps SET lease_until = clock_timestamp() - interval '1 second'
        WHERE state = 'running' AND lease_owner = :owner AND lease_until > clock_timestamp()
        """),
        {"owner": owner},
    ).rowcount


def workers_on(conn: Connection, node: str) -> list[tuple[str, int]]:
    """(id, pid) of the workers registered on a node, alive or not."""
    rows = conn.execute(text("SELECT id, pid FROM workers WHERE node = :node"), {"node": node})
    return [(row.id, row.pid) for row in rows]


def forget_silent_workers(conn: Connection, ttl_s: float) -> int:
    """Drop rows of workers silent for `ttl_s`; how many."""
    return conn.execute(
        text("DELETE FROM workers WHERE heartbeat_at < clock_timestamp() - make_interval(secs => :ttl)"), {"ttl": ttl_s}
    ).rowcount


def fleet_performance(conn: Connection) -> tuple[Mapping[str, float], int] | None:
    """Calibration and threads of the live node with the most threads; None when no node has registered."""
    row = conn.execute(
        text(
            """SELECT performance, threads, capabilities FROM nodes WHERE state = 'active'
               ORDER BY threads DESC, id LIMIT 1"""
        )
    ).one_or_none()
    return None if row is None else (row.performance, int(row.capabilities.get("render_threads", row.threads)))
