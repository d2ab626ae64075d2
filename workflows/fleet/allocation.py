"""Reservations: which job holds what on which node. Decided under one lock, so it never over-commits."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, text

from workflows.fleet.balancing import STRATEGIES, NodeLoad, fits
from workflows.jobs import compensations, events
from workflows.planning.model import Need

_REQUESTED = text("""
SELECT id, threads, memory_bytes, disk_bytes, quick FROM allocations
WHERE orchestration_id = :job AND state = 'requested'
""")
NODE_TTL_S = 20.0  # a node silent for longer takes no new jobs

_SNAPSHOT = text("""
SELECT n.id, n.threads, n.memory_bytes, n.disk_bytes, coalesce((n.performance->>'encode_mpx_s')::float, 1.0) AS speed,
  coalesce(sum(a.threads), 0)::int AS used_threads, coalesce(sum(a.memory_bytes), 0)::bigint AS used_memory_bytes,
  coalesce(sum(a.disk_bytes), 0)::bigint AS used_disk_bytes, count(a.id)::int AS running,
  count(a.id) FILTER (WHERE a.quick)::int AS quick_running,
  (SELECT count(*) FROM allocations g WHERE g.node = n.id)::int AS turn
FROM nodes n LEFT JOIN allocations a ON a.node = n.id AND a.state = 'granted'
WHERE n.state = 'active' AND n.heartbeat_at > clock_timestamp() - make_interval(secs => :ttl)
GROUP BY n.id ORDER BY n.id
""")


def snapshot(conn: Connection) -> tuple[NodeLoad, ...]:
    """The live nodes with what is reserved on them."""
    return tuple(NodeLoad(**row._mapping) for row in conn.execute(_SNAPSHOT, {"ttl": NODE_TTL_S}))


def allocate(conn: Connection, orchestration_id: str, step_id: str, strategy: str) -> str | None:
    """Reserve the job's need on a node and return the node; None when nothing fits now.

    The caller holds the gate's lock. Strategy and snapshot are stored with the reservation, its compensation too.
    """
    row = _requested(conn, orchestration_id)
    need = Need(threads=row.threads, memory_bytes=row.memory_bytes, disk_bytes=row.disk_bytes)
    nodes = snapshot(conn)
    node = STRATEGIES[strategy]([node for node in nodes if fits(node, need, quick=row.quick)], need)
    if node is None:
        return None
    compensations.record(conn, orchestration_id, step_id, "release_allocation", allocation_id=row.id)
    conn.execute(
        text("""
        UPDATE allocations SET state = 'granted', node = :node, strategy = :strategy,
          snapshot = CAST(:snapshot AS jsonb), granted_at = clock_timestamp() WHERE id = :id
        """),
        {"node": node.id, "strategy": strategy, "snapshot": json.dumps([asdict(n) for n in nodes]), "id": row.id},
    )
    events.append(conn, orchestration_id, "resources_allocated", node=node.id, strategy=strategy)
    return node.id


def too_large(conn: Connection, orchestration_id: str) -> str | None:
    """Why none of the live nodes could hold the job even if it were empty; None when one could, or none is alive."""
    need = _requested(conn, orchestration_id)
    nodes = snapshot(conn)
    able = [n for n in nodes if need.memory_bytes <= n.memory_bytes and need.disk_bytes <= n.disk_bytes]
    if able or not nodes:
        return None
    return f"the job needs {need.memory_bytes:,} bytes of memory and {need.disk_bytes:,} of disk; no node has as much"


def _requested(conn: Connection, orchestration_id: str) -> Row[Any]:
    return conn.execute(_REQUESTED, {"job": orchestration_id}).one()


def release(conn: Connection, orchestration_id: str) -> int:
    """Give the job's reservation back; how many rows that changed (0 when it had none: harmless)."""
    changed = conn.execute(
        text("""
        UPDATE allocations SET state = 'released', released_at = clock_timestamp()
        WHERE orchestration_id = :job AND state <> 'released'
        """),
        {"job": orchestration_id},
    ).rowcount
    compensations.discharge(conn, orchestration_id, action="release_allocation")
    return changed


def release_orphans(conn: Connection) -> int:
    """Release what ended jobs still hold after a minute: nothing should, but a lost cleanup must not cost capacity."""
    return conn.execute(
        text("""
        UPDATE allocations a SET state = 'released', released_at = clock_timestamp()
        FROM jobs j WHERE j.orchestration_id = a.orchestration_id AND a.state <> 'released'
          AND j.finished_at < clock_timestamp() - interval '60 seconds'
        """)
    ).rowcount
