"""The API as it is served: gunicorn, threads, JSON logs, and a stop that loses nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.api import hands
from tests.api.bodies import quick
from workflows.db.engine import make_engine
from workflows.settings import Settings

Server = tuple[str, subprocess.Popen[bytes], Path]


@pytest.fixture
def server(engines: Any, settings: Settings, unused_port: int, tmp_path: Path) -> Iterator[Server]:
    log = tmp_path / "api.log"
    environ = engines.environ(
        DATABASE_URL=settings.database_url, PORT=str(unused_port), API_WORKERS="1", API_THREADS="8", LOG_LEVEL="info",
        INLINE_WAIT_S="60",
    )  # fmt: skip
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:orchestrator_api.gunicorn_conf"],
            env=environ, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{unused_port}", process, log
        finally:
            process.terminate()
            process.wait(30)


def answers(http: urllib3.PoolManager, url: str) -> bool:
    try:
        return http.request("GET", f"{url}/health", timeout=5.0, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_it_serves_logs_json_and_lets_waiters_go_when_it_stops(
    server: Server, settings: Settings, key: Callable[..., str]
) -> None:
    url, process, log = server
    headers = {"Authorization": f"Bearer {key()}", "X-Request-ID": "trace-1"}
    engine = make_engine(settings)
    with urllib3.PoolManager() as http, ThreadPoolExecutor(1) as pool:
        hands.until(lambda: answers(http, url), what="gunicorn answers")

        def post(body: dict[str, Any]) -> urllib3.BaseHTTPResponse:
            return http.request("POST", f"{url}/api/v1/orchestrate", json=body, headers=headers, timeout=90.0)

        chunks = http.request(
            "POST", f"{url}/api/v1/orchestrate", body=iter([b"{" + b" " * 3_000_000, b"}"]),
            headers={**headers, "Content-Type": "application/json"}, timeout=30.0, retries=False,
        )  # fmt: skip
        assert (chunks.status, chunks.json()["code"]) == (413, "body_too_large")

        assert post(quick("later", mode="async")).status == 202
        held = pool.submit(post, quick("held"))
        hands.until(lambda: hands.job_of(engine, "held"), what="the job is accepted")
        process.send_signal(signal.SIGTERM)
        assert held.result().status == 202
        assert process.wait(30) == 0
    engine.dispose()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request" and line["path"] == "/api/v1/orchestrate"]
    assert [line["status"] for line in requests] == [413, 202, 202]
    assert {line["request_id"] for line in requests} == {"trace-1"}
    assert {line["service"] for line in lines} == {"api"}
