"""Clients that wait inside their request: how they are woken, and how many there may be."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from orchestrator_api import waiting
from orchestrator_api.listening import APPLICATION
from orchestrator_api.parts import parts_of
from tests.api import hands
from tests.api.bodies import quick
from tests.api.conftest import client_of


@pytest.fixture
def only_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiters do not look on their own, so that only the listening thread can wake them."""
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 3600.0)


def listeners(engine: Engine) -> list[int]:
    """The server processes of our listening connections."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = :name AND datname = current_database()"
    with engine.connect() as conn:
        return list(conn.execute(text(query), {"name": APPLICATION}).scalars())


@pytest.mark.usefixtures("only_notifications")
def test_a_notification_wakes_the_waiter(app: Flask, key: Callable[..., str], engine: Engine) -> None:
    def work() -> None:
        hands.until(lambda: parts_of(app).waiting.count and listeners(engine), what="the client waits")
        job = hands.job_of(engine, "job_quick")
        assert job is not None
        hands.finish(engine, job)

    with hands.meanwhile(work):
        answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 200


@pytest.mark.usefixtures("only_notifications")
def test_the_listening_thread_survives_its_connection(app: Flask, key: Callable[..., str], engine: Engine) -> None:
    def work() -> None:
        old = hands.until(lambda: parts_of(app).waiting.count and listeners(engine), what="the client waits")
        with engine.begin() as conn:
            conn.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": old[0]})
        hands.until(lambda: set(listeners(engine)) - set(old), what="the thread listens again")
        job = hands.job_of(engine, "job_quick")
        assert job is not None
        hands.finish(engine, job)

    with hands.meanwhile(work):
        answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 200


@pytest.mark.usefixtures("only_notifications")
def test_what_ended_while_nobody_listened_is_seen_on_return(
    app: Flask, key: Callable[..., str], engine: Engine
) -> None:
    def work() -> None:
        old = hands.until(lambda: parts_of(app).waiting.count and listeners(engine), what="the client waits")
        job = hands.job_of(engine, "job_quick")
        assert job is not None
        with engine.begin() as conn:  # the end is written without a notification, as if it had been lost
            conn.execute(
                text("UPDATE jobs SET inline = false WHERE orchestration_id = :id"), {"id": job.orchestration_id}
            )
        with engine.begin() as conn:
            conn.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": old[0]})

    with hands.meanwhile(work):
        answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 202


def test_past_the_limit_clients_get_their_202_and_health_still_answers(
    make: Callable[..., Flask], key: Callable[..., str]
) -> None:
    app, secret = make(inline_waiters=2, inline_wait_s=60.0), key()
    here = parts_of(app)
    with ThreadPoolExecutor(2) as pool:
        held = [
            pool.submit(client_of(app, secret).post, "/api/v1/orchestrate", json=quick(f"held_{n}")) for n in range(2)
        ]
        hands.until(lambda: here.waiting.count == 2, what="both places are taken")
        client = client_of(app, secret)
        assert client.post("/api/v1/orchestrate", json=quick("third")).status_code == 202
        assert client.get("/health").status_code == 200
        assert client.get("/api/v1/jobs/held_0/status").get_json()["status"] == "queued"
        assert here.engine.pool.status().endswith("Current Checked out connections: 0")
        for number in range(2):
            job = hands.job_of(here.engine, f"held_{number}")
            assert job is not None
            hands.finish(here.engine, job)
        assert [post.result().status_code for post in held] == [200, 200]
    assert here.waiting.count == 0


def test_no_connection_is_held_by_those_who_wait(make: Callable[..., Flask], key: Callable[..., str]) -> None:
    app, secret = make(inline_wait_s=60.0, inline_waiters=20), key()
    here = parts_of(app)
    with ThreadPoolExecutor(20) as pool:  # more than the pool has connections (16)
        for number in range(20):
            pool.submit(client_of(app, secret).post, "/api/v1/orchestrate", json=quick(f"job_{number}", mode="sync"))
        hands.until(lambda: here.waiting.count == 20, what="all wait")
        hands.until(lambda: here.engine.pool.checkedout() == 0, what="no connection is out")
        here.waiting.stop_when(lambda: True)
        here.waiting.wake(None)


def test_a_process_that_stops_lets_its_waiters_go(app: Flask, key: Callable[..., str]) -> None:
    def work() -> None:
        hands.until(lambda: parts_of(app).waiting.count, what="the client waits")
        parts_of(app).waiting.stop_when(lambda: True)

    with hands.meanwhile(work):
        answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 202


def test_without_a_place_to_wait_every_answer_is_a_202(make: Callable[..., Flask], key: Callable[..., str]) -> None:
    answer = client_of(make(inline_waiters=0), key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 202
