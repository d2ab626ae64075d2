"""Logs are one JSON object a line, whoever speaks."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from workflows.settings import Settings
from workflows.telemetry.logging import configure

SPEAKER = """
import logging, structlog, warnings
from workflows.settings import Settings
from workflows.telemetry.logging import configure
configure(Settings(log_level="{level}", node_id="n1"), "api")
log = structlog.get_logger("ours")
structlog.contextvars.bind_contextvars(request_id="r1")
log.debug("d"); log.info("i", seconds=1.5); log.warning("w"); log.error("e"); log.critical("f")
logging.getLogger("library").warning("said %s", "this", extra={{"pool": 3}})
logging.getLogger("botocore").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broke")
"""


def spoken(level: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKER.format(level=level)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_json_with_time_level_service_and_ids() -> None:
    lines = spoken("info")
    assert [line["event"] for line in lines] == ["i", "w", "e", "f", "said this", "broke"]
    assert [line["level"] for line in lines] == ["info", "warn", "error", "fatal", "warn", "error"]
    for line in lines:
        assert (line["service"], line["node"], line["request_id"]) == ("api", "n1", "r1")
        assert str(line["timestamp"]).endswith("Z")
    assert lines[0]["seconds"] == 1.5
    assert (lines[4]["logger"], lines[4]["pool"]) == ("library", 3)
    assert "ZeroDivisionError" in str(lines[5]["exception"])


@pytest.mark.parametrize(("level", "events"), [("warn", 5), ("fatal", 1)])
def test_the_level_is_the_lowest_that_is_written(level: str, events: int) -> None:
    assert len(spoken(level)) == events


def test_an_unknown_level_is_named() -> None:
    before = logging.getLogger().handlers[:]
    with pytest.raises(ValueError, match="LOG_LEVEL='loud'"):
        configure(Settings(log_level="loud"), "api")
    assert logging.getLogger().handlers == before
