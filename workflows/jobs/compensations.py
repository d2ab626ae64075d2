"""Compensations: how to undo a side effect, recorded before it happens; run newest first when a job ends badly.

The ledger half. The actions themselves need storage and disks and live in `orchestrator_tasks.compensate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from workflows.jobs import events

TAKEN_S = 120  # longer than any action takes; a worker that dies in it only delays the next try
HANDED_S = 5  # between two requests to a worker to go on with a job
TRIES = 8  # then the row stays as a debt, and the job ends all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """One thing to undo."""

    id: int
    orchestration_id: str
    step_id: str
    action: str
    args: dict[str, Any]
    attempts: int


def record(conn: Connection, orchestration_id: str, step_id: str, action: str, **args: Any) -> None:
    """Write down how to undo what is about to be done."""
    conn.execute(
        text("""
        INSERT INTO compensations (orchestration_id, step_id, action, args)
        VALUES (:job, :step, :action, CAST(:args AS jsonb))
        """),
        {"job": orchestration_id, "step": step_id, "action": action, "args": json.dumps(args)},
    )


def discharge(conn: Connection, orchestration_id: str, *, action: str) -> None:
    """Forget a kind of compensation: its effect is meant to stay, or is undone already."""
    conn.execute(
        text("""
        UPDATE compensations SET state = 'discharged', done_at = now()
        WHERE orchestration_id = :job AND action = :action AND state = 'pending'
        """),
        {"job": orchestration_id, "action": action},
    )


def count_pending(conn: Connection, orchestration_id: str) -> int:
    """How many are still to run."""
    return int(
        conn.execute(
            text("SELECT count(*) FROM compensations WHERE orchestration_id = :job AND state = 'pending'"),
            {"job": orchestration_id},
        ).scalar_one()
    )


def take_newest(conn: Connection, orchestration_id: str) -> Compensation | None:
    """Count a try of the newest pending one and put the next off; None when none is due or another worker has it."""
    row = conn.execute(
        text("""
        UPDATE compensations SET attempts = attempts + 1,
          next_attempt_at = clock_timestamp() + make_interval(secs => :taken)
        WHERE id = (
          SELECT id FROM compensations
          WHERE id = (SELECT max(id) FROM compensations WHERE orchestration_id = :job AND state = 'pending')
            AND next_attempt_at <= clock_timestamp()
          FOR UPDATE SKIP LOCKED)
        RETURNING id, orchestration_id, step_id, action, args, attempts
        """),
        {"job": orchestration_id, "taken": TAKEN_S},
    ).one_or_none()
    return Compensation(**row._mapping) if row else None


def hand_out(conn: Connection, orchestration_id: str) -> bool:
    """Note that a worker is being asked to go on; False when one was asked a moment ago."""
    asked = conn.execute(
        text("""
        UPDATE compensations SET handed_at = clock_timestamp()
        WHERE orchestration_id = :job AND state = 'pending'
          AND (handed_at IS NULL OR handed_at < clock_timestamp() - make_interval(secs => :pause))
        """),
        {"job": orchestration_id, "pause": HANDED_S},
    )
    return asked.rowcount > 0


def mark_done(conn: Connection, compensation: Compensation) -> None:
    """It is undone."""
    conn.execute(
        text("UPDATE compensations SET state = 'done', done_at = now() WHERE id = :id"),
        {"id": compensation.id},
    )
    events.append(
        conn, compensation.orchestration_id, "compensated", action=compensation.action, args=compensation.args
    )


def mark_failed(conn: Connection, compensation: Compensation, error: str) -> None:
    """It did not work: try again later, or leave a debt."""
    spent = compensation.attempts >= TRIES
    conn.execute(
        text("""
        UPDATE compensations SET state = :state, error = :error,
          next_attempt_at = clock_timestamp() + make_interval(secs => least(60, power(2, attempts)))
        WHERE id = :id
        """),
        {"state": "debt" if spent else "pending", "error": error, "id": compensation.id},
    )
    if spent:
        events.append(conn, compensation.orchestration_id, "compensation_debt", action=compensation.action, error=error)
