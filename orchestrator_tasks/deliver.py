"""Sending webhooks: signed by Standard Webhooks, through the address rules of our own downloader."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import structlog
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from orchestrator_tasks.fetch.post import post_json
from orchestrator_tasks.runtime import Runtime
from workflows.errors import OrchestratorError
from workflows.jobs import webhooks
from workflows.jobs.webhooks import Delivery

log = structlog.get_logger(__name__)
TIMEOUT_S = 5.0


def deliver_one(tools: Runtime, message_id: str | None = None) -> bool:
    """Try one due delivery (or the one named); False when none is due. The try is counted before it is made."""
    with tools.engine.begin() as conn:
        delivery = webhooks.take_due(conn, message_id)
    if delivery is None:
        return False
    status, error = send(tools, delivery)
    with tools.engine.begin() as conn:
        if error is None and status is not None:
            webhooks.mark_delivered(conn, delivery, status)
        else:
            webhooks.mark_failed(conn, delivery, status=status, error=error or "")
    log.info("webhook_sent", id=delivery.id, status=status, error=error, orchestration_id=delivery.orchestration_id)
    return True


def send(tools: Runtime, delivery: Delivery) -> tuple[int | None, str | None]:
    """Post it once; (status, None) when it was taken, else (status or None, why not)."""
    body = json.dumps(delivery.body, separators=(",", ":"))
    try:
        headers = signed_headers(tools.settings.webhook_secret, delivery.id, body, datetime.now(UTC))
    except (EmptyWebhookSecretError, ValueError):
        return None, "WEBHOOK_SECRET is not set, or is no whsec_ secret"
    try:
        answer = post_json(delivery.url, body.encode(), headers, route=tools.route, timeout_s=TIMEOUT_S)
    except OrchestratorError as err:
        return None, err.message
    if 200 <= answer.status < 300:
        return answer.status, None
    return answer.status, f"the receiver answered {answer.status}"


def signed_headers(secret: str, message_id: str, body: str, at: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks. `at` must be in UTC: the library takes its fields as they are."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
