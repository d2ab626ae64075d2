"""gunicorn's logger, spoken through ours: one JSON line a request, and its own messages as JSON too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import structlog
from gunicorn.config import Config
from gunicorn.glogging import Logger

from workflows.settings import load
from workflows.telemetry.logging import configure

QUIET: Final = frozenset({"/health", "/ready"})  # probes come every few seconds: only what fails is news

log = structlog.get_logger("orchestrator_api.access")


class AccessLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Sends everything to the root logger, which `workflows.telemetry.logging` has made JSON."""

    def setup(self, cfg: Config) -> None:
        """Called by gunicorn at start, before a worker exists, and on reload."""
        configure(load(), "api")
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), self.LOG_LEVELS["info"])
        self.error_log.setLevel(self.loglevel)
        self.error_log.propagate = True
        self._access_log_enabled = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """One request has been answered. The query is left out: it is the client's, and may hold anything."""
        status = int(str(resp.status).split(maxsplit=1)[0])
        path = environ.get("PATH_INFO", "")
        tell = log.debug if path in QUIET and status < 400 else log.info
        tell(
            "request",
            method=environ.get("REQUEST_METHOD"),
            path=path,
            status=status,
            ms=round(request_time.total_seconds() * 1000, 1),
            bytes=getattr(resp, "sent", None),
            client=environ.get("REMOTE_ADDR"),
            request_id=next((value for name, value in resp.headers if name.lower() == "x-request-id"), None),
        )
