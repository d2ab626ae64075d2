"""Webhook deliveries as rows. Sending is `orchestrator_tasks.deliver`; signing follows Standard Webhooks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from workflows.jobs import store
from workflows.jobs.ids import new_id
from workflows.jobs.rows import Job

# Seconds before each further try: about a day in all. Then the row is dead and stays for the operators.
BACKOFF_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one URL. `id` is the webhook-id, the same on every try."""

    id: str
    orchestration_id: str
    url: str
    body: dict[str, Any]
    attempts: int


def enqueue(conn: Connection, job: Job) -> str | None:
    """Write the delivery row that tells the job's ending, once; None when the job has no webhook or has one already."""
    if not job.webhook_url:
        return None
    row = conn.execute(
        text("""
        INSERT INTO outbox (id, orchestration_id, url, body)
        SELECT :id, :job, :url, CAST(:body AS jsonb)
        WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE orchestration_id = :job)
        RETURNING id
        """),
        {"id": new_id("msg"), "job": job.orchestration_id, "url": job.webhook_url, "body": json.dumps(message(job))},
    ).one_or_none()
    return None if row is None else str(row.id)


def enqueue_for(conn: Connection, orchestration_id: str) -> str | None:
    """`enqueue` for a job whose row has changed in this transaction."""
    return enqueue(conn, store.get(conn, orchestration_id))


def message(job: Job) -> dict[str, Any]:
    """What the receiver reads. No result URL: those are signed when read."""
    return {
        "type": f"job.{job.state.value}",
        "timestamp": job.finished_at.isoformat() if job.finished_at else None,
        "data": {
            "jobId": job.job_id,
            "orchestrationId": job.orchestration_id,
            "status": job.state.value,
            "error": job.error,
            "result": job.result and {key: job.result[key] for key in ("size_bytes", "sha256") if key in job.result},
            "metadata": job.metadata,
        },
    }


def take_due(conn: Connection, message_id: str | None = None) -> Delivery | None:
    """Lock one delivery that is due (or the one named) and put its next try off, so that a crash only delays it."""
    row = conn.execute(
        text("""
        UPDATE outbox SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => :backoff)
        WHERE id = (
          SELECT id FROM outbox
          WHERE state = 'pending' AND next_attempt_at <= clock_timestamp() AND (CAST(:id AS text) IS NULL OR id = :id)
          ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING id, orchestration_id, url, body, attempts
        """),
        {"id": message_id, "backoff": 30},
    ).one_or_none()
    return Delivery(**row._mapping) if row else None


def mark_delivered(conn: Connection, delivery: Delivery, status: int) -> None:
    """The receiver answered 2xx."""
    conn.execute(
        text(
            """UPDATE outbox SET state = 'delivered', delivered_at = now(), last_status = :status, last_error = NULL
               WHERE id = :id"""
        ),
        {"status": status, "id": delivery.id},
    )


def mark_failed(conn: Connection, delivery: Delivery, *, status: int | None, error: str) -> None:
    """Not delivered: try later, or give up after the last backoff or on 410 Gone."""
    dead = delivery.attempts > len(BACKOFF_S) or status == 410
    wait = BACKOFF_S[min(delivery.attempts, len(BACKOFF_S)) - 1]
    conn.execute(
        text("""
        UPDATE outbox SET state = :state, last_status = :status, last_error = :error,
          next_attempt_at = clock_timestamp() + make_interval(secs => :wait)
        WHERE id = :id
        """),
        {
            "state": "dead" if dead else "pending",
            "status": status,
            "error": error[:500],
            "wait": wait,
            "id": delivery.id,
        },
    )
