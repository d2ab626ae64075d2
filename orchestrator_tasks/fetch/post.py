"""Posting JSON to a URL that a client gave: webhooks. Same address rules as sources; redirects are not followed."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator_tasks.fetch.budget import Budget, Limits, blame
from orchestrator_tasks.fetch.http import exchange, request
from orchestrator_tasks.fetch.urls import parse_http
from orchestrator_tasks.fetch.wire import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the receiver said. `retry_after` in seconds, when it asked for a pause."""

    status: int
    retry_after: float | None


def post_json(
    url: str, body: bytes, headers: Mapping[str, str], *, route: Route, timeout_s: float, path: str = "webhook_url"
) -> Response:
    """Deliver `body` once. Raises SourceRefused (never allowed), SourceUnreachable, SourceNotFound or SourceTooSlow.

    A status is an answer, whatever it is; the body of the answer is not read.
    """
    limits = Limits(
        max_bytes=0, total_s=timeout_s, min_bytes_per_s=0, connect_s=timeout_s, idle_s=timeout_s, head_s=timeout_s
    )
    sent = {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    with blame(path):
        target = parse_http(url)
        with exchange(target, route, Budget(limits), request(target, "POST", sent, body)) as (head, _):
            return Response(status=head.status, retry_after=_seconds(head.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    """Retry-After as seconds from now: a number, or an HTTP date (RFC 9110 10.2.3)."""
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else _until(text)
    except (ValueError, TypeError):
        return None
    return seconds if math.isfinite(seconds) else None


def _until(date: str) -> float:
    at = email.utils.parsedate_to_datetime(date)
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
