"""/health and /ready tell the truth about each part, soon, whatever the part does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from orchestrator_api.parts import parts_of
from tests.api import hands
from tests.api.conftest import client_of
from workflows import health
from workflows.fleet import registry
from workflows.health import Check, Checkup, PartError
from workflows.settings import Settings

PARTS = {"database", "migrations", "broker", "storage", "ffmpeg", "workers", "reconciler"}


def checks_of(client: FlaskClient) -> dict[str, dict[str, object]]:
    checks: dict[str, dict[str, object]] = client.get("/health").get_json()["checks"]
    return checks


def register_a_node(engine: Engine, **capabilities: object) -> None:
    facts = registry.NodeFacts(
        id="node-a", boot_id="b", capabilities=capabilities, performance={"encode": 50.0}, threads=4,
        memory_bytes=8 * 10**9, disk_bytes=10**11, version="1",
    )  # fmt: skip
    with engine.begin() as conn:
        registry.register_node(conn, facts)
        registry.beat_worker(conn, "quick@node-a", node="node-a", pid=1, queues=["quick"], slots=2)


def register_a_reconciler(engine: Engine) -> None:
    with engine.begin() as conn:
        registry.beat_worker(conn, "reconciler@node-a:1", node="node-a", pid=1, queues=[], slots=0)


def test_without_workers_jobs_are_accepted_but_nothing_is_ready(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/health")
    body = answer.get_json()
    assert (answer.status_code, body["status"]) == (200, "degraded")
    assert set(body["checks"]) == PARTS
    assert {name for name, check in body["checks"].items() if not check["ok"]} == {"workers", "ffmpeg", "reconciler"}
    assert all(isinstance(check["latency_ms"], float) for check in body["checks"].values())
    ready = client.get("/ready")
    assert (ready.status_code, ready.get_json()["ready"]) == (503, False)


def test_with_a_live_worker_all_is_well(app: Flask, engine: Engine) -> None:
    register_a_node(engine, ffmpeg="9.0.2")
    register_a_reconciler(engine)
    client = app.test_client()
    assert client.get("/health").get_json()["status"] == "healthy"
    assert client.get("/ready").status_code == 200


def test_a_reconciler_is_no_worker(settings: Settings, engine: Engine) -> None:
    with pytest.raises(PartError, match="no reconciler"):
        health.reconciler(settings)
    register_a_reconciler(engine)
    assert health.reconciler(settings) == "1 alive"
    with pytest.raises(PartError, match="no worker"):
        health.workers(settings)


def test_a_worker_silent_for_longer_than_its_time_is_not_alive(settings: Settings, app: Flask, engine: Engine) -> None:
    register_a_node(engine, ffmpeg="9.0.2")
    with engine.begin() as conn:
        conn.execute(text("UPDATE workers SET heartbeat_at = now() - interval '21 seconds'"))
    with pytest.raises(PartError, match="no worker"):
        health.workers(settings)


def test_an_old_schema_is_not_ready(settings: Settings, engine: Engine) -> None:
    assert "schema" in health.migrations(settings)
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0000_older'"))
    with pytest.raises(PartError, match="orchestrator migrate"):
        health.migrations(settings)
    with engine.begin() as conn:
        conn.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(PartError, match="orchestrator migrate"):
        health.migrations(settings)


def test_a_broker_that_is_down_degrades(make: Callable[..., Flask], unused_port: int) -> None:
    answer = make(redis_url=f"redis://127.0.0.1:{unused_port}/0").test_client().get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["checks"]["broker"]["ok"] is False
    assert "127.0.0.1" not in answer.text


def test_a_store_that_is_down_or_refuses_us_is_told(make: Callable[..., Flask], unused_port: int) -> None:
    assert checks_of(make(s3_endpoint_url=f"http://127.0.0.1:{unused_port}").test_client())["storage"]["ok"] is False
    assert checks_of(make(aws_secret_access_key="wrong").test_client())["storage"]["ok"] is False
    assert checks_of(make(s3_bucket="no-such-bucket").test_client())["storage"]["ok"] is False


def test_a_database_that_is_down_is_a_503(make: Callable[..., Flask], unused_port: int) -> None:
    app = make(database_url=f"postgresql://nobody@127.0.0.1:{unused_port}/none")
    answer = app.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "unhealthy")
    assert answer.get_json()["checks"]["storage"]["ok"] is True
    assert "nobody" not in answer.text
    assert app.test_client().get("/ready").status_code == 503


def test_parts_that_hang_do_not_hold_the_answer(make: Callable[..., Flask], tarpit: int) -> None:
    app = make(
        redis_url=f"redis://127.0.0.1:{tarpit}/0",
        s3_endpoint_url=f"http://127.0.0.1:{tarpit}",
        database_url=f"postgresql://nobody@127.0.0.1:{tarpit}/none",
    )
    answer = app.test_client().get("/health")  # without a bound this would wait for the connection timeouts
    assert answer.status_code == 503
    assert [name for name, check in answer.get_json()["checks"].items() if check["ok"]] == []


def test_a_check_that_hangs_costs_one_thread_and_heals(settings: Settings) -> None:
    free, runs = threading.Event(), []

    def stuck(_: Settings) -> str:
        runs.append(threading.get_ident())
        free.wait(30)
        return "free"

    checkup = Checkup(settings, {"stuck": stuck, "fine": lambda _: "fine"})
    for _ in range(3):
        slow, fine = checkup.report()
        assert (slow.ok, fine.ok) == (False, True)
        assert "no answer" in slow.detail
    assert len(runs) == 1
    free.set()
    hands.until(lambda: checkup.report()[0].ok, what="the check heals")


def test_a_crowd_of_probes_asks_each_part_once(settings: Settings) -> None:
    runs: list[int] = []
    checkup = Checkup(settings, {"part": lambda _: runs.append(1) or "well"})
    for _ in range(10):
        assert checkup.report() == checkup.report()
    assert len(runs) == 1


def test_the_word_follows_the_checks() -> None:
    def found(*failed: str) -> tuple[Check, ...]:
        return tuple(Check(name=name, ok=name not in failed, detail="", latency_ms=0) for name in sorted(PARTS))

    assert health.word(found()) == "healthy"
    assert health.word(found("broker")) == "degraded"
    assert health.word(found("database", "broker")) == "unhealthy"
    assert health.ready(found("broker", "storage"))
    assert not health.ready(found("workers"))


def test_details_need_a_key_and_tell_of_waiters_and_nodes(app: Flask, key: Callable[..., str], engine: Engine) -> None:
    register_a_node(engine, ffmpeg="9.0.2")
    body = client_of(app, key("viewer")).get("/api/v1/health").get_json()
    assert body["process"]["waiting_clients"] == 0
    assert body["process"]["waiters_limit"] == parts_of(app).settings.inline_waiters
    assert [node["id"] for node in body["nodes"]] == ["node-a"]
