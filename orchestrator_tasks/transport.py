"""The broker connection of a worker: kombu's for Redis, except that losing it does not end the worker.

kombu 5.7.0 gives unacknowledged messages back while it closes a connection it has lost, and acknowledges a message
over the connection it came by though that is closed by now. Both raise AttributeError, and the worker ends of it after
its running renders. Neither is needed: the ledger gives work back, and a message that is delivered twice finds nothing
to claim.
"""

from __future__ import annotations

from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES, redis

log = structlog.get_logger(__name__)


class QoS(redis.QoS):
    """What was delivered and not acknowledged; nothing can be said about it over a connection that is gone."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge, unless the connection was lost meanwhile."""
        if self._lost("ack"):
            return
        super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Refuse, unless the connection was lost meanwhile."""
        if self._lost("reject"):
            return
        super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]

    def _lost(self, action: str) -> bool:
        if self.channel.closed:
            log.info("message_of_lost_connection", action=action)
        return bool(self.channel.closed)


class Channel(redis.Channel):
    """A channel that closes without giving messages back."""

    QoS = QoS
    do_restore = False


class Transport(redis.Transport):
    """Where messages come from."""

    Channel = Channel


def use() -> None:
    """Have this process reach redis:// and rediss:// by it. (By `broker_transport` it would change the URL's scheme,
    which Flower reads.)
    """
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))
