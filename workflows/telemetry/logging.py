"""Logs: one JSON object a line on stderr, from structlog and from every library's stdlib logger alike.

    log = structlog.get_logger()
    log.info("step_finished", step=name, seconds=t)     # a constant event, data as fields

Ids bound with `structlog.contextvars` (request, job, step) are in every line of that request or task, and in none of
the next. Rotation belongs to whatever collects stderr.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from workflows.settings import Settings

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "critical": logging.CRITICAL,
}
# The brief's words for what the standard library calls warning and critical.
WORDS: Final = {"warning": "warn", "critical": "fatal", "exception": "error"}
# Libraries that tell of every connection, statement or chunk at info.
QUIET: Final = ("alembic", "boto3", "botocore", "s3transfer", "sqlalchemy.engine", "urllib3")


def configure(settings: Settings, service: str) -> None:
    """Route all logging of this process to stderr as JSON, each line naming `service`. Calling it again is harmless.

    Raises ValueError for an unknown LOG_LEVEL.
    """
    level = _level(settings.log_level)
    shared = _processors(service, settings.node)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a test or a fork may configure again
    )


def _processors(service: str, node: str) -> list[Processor]:
    def name_the_place(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"service": service, "node": node, **event}

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _use_our_words,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        name_the_place,
    ]


def _use_our_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    level: Any = event.get("level")
    event["level"] = WORDS.get(level, level)
    return event


def _level(word: str) -> int:
    try:
        return LEVELS[word.lower()]
    except KeyError as err:
        raise ValueError(f"LOG_LEVEL={word!r} is none of debug, info, warn, error, fatal") from err
