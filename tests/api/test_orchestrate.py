"""What POST /api/v1/orchestrate refuses, repeats and promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from orchestrator_api.parts import parts_of
from tests.api import hands
from tests.api.bodies import quick
from tests.api.conftest import client_of
from workflows.errors import DeadlineExceeded, OrchestratorError, RenderFailed, SourceNotFound, StorageFailed
from workflows.jobs.states import JobState


def jobs_in(engine: Engine) -> int:
    with engine.connect() as conn:
        return int(conn.execute(text("SELECT count(*) FROM jobs")).scalar_one())


def test_an_unknown_field_is_a_422_naming_path_and_nearest_name(client: FlaskClient, engine: Engine) -> None:
    body = quick()
    body["elements"][0]["opactiy"] = 0.5
    answer = client.post("/api/v1/orchestrate", json=body)
    problem = answer.get_json()
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert (problem["code"], problem["status"], problem["retryable"]) == ("invalid_spec", 422, False)
    assert problem["path"] == problem["errors"][0]["path"] == "elements[0].opactiy"
    assert "opacity" in problem["errors"][0]["remedy"]
    assert problem["type"] and problem["title"] and problem["detail"] and problem["remedy"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert jobs_in(engine) == 0


def test_every_fault_of_a_body_is_listed(client: FlaskClient) -> None:
    body = quick(width="wide", colour="red")
    problem = client.post("/api/v1/orchestrate", json=body).get_json()
    assert {"width", "colour"} <= {fault["path"] for fault in problem["errors"]}


NO_JOBS: list[tuple[bytes, str | None, int]] = [
    (b"{", "application/json", 400),
    (b'{"a": NaN}', "application/json", 400),
    (b'{"id": "a", "id": "b"}', "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b"[]", "application/json", 422),
    (b'{"elements": [], "metadata": {"a": "\\u0000"}}', "application/json", 422),
    (b"id=1", "application/x-www-form-urlencoded", 415),
    (b"{}", None, 415),
    (b"{" + b" " * 3_000_000 + b"}", "application/json", 413),
]


def test_what_is_no_job_is_a_problem(client: FlaskClient, engine: Engine) -> None:
    for data, content_type, status in NO_JOBS:
        answer = client.post("/api/v1/orchestrate", data=data, content_type=content_type)
        assert (answer.status_code, answer.get_json()["status"]) == (status, status), data[:40]
        assert answer.content_type == "application/problem+json"
    assert jobs_in(engine) == 0


def test_other_refusals_are_problems_too(client: FlaskClient) -> None:
    assert client.get("/api/v1/nothing").get_json()["code"] == "not_found"
    wrong = client.put("/api/v1/orchestrate", json={})
    assert wrong.get_json()["code"] == "method_not_allowed"
    assert "POST" in wrong.headers["Allow"]
    assert client.get("/api/v1/jobs/none/status").get_json()["code"] == "not_found"
    assert client.get("/api/v1/jobs/a%00b").status_code == 404


def test_the_same_id_and_body_is_the_same_job_and_another_body_a_409(client: FlaskClient, engine: Engine) -> None:
    first = client.post("/api/v1/orchestrate", json=quick(mode="async")).get_json()
    again = client.post("/api/v1/orchestrate", json=dict(reversed(quick(mode="async").items())))
    assert (again.status_code, again.get_json()["orchestrationId"]) == (202, first["orchestrationId"])
    other = client.post("/api/v1/orchestrate", json=quick(mode="async", width=640))
    assert (other.status_code, other.get_json()["code"]) == (409, "idempotency_conflict")
    assert jobs_in(engine) == 1


def test_an_idempotency_key_does_the_same_for_bodies_without_an_id(client: FlaskClient, engine: Engine) -> None:
    body = {name: value for name, value in quick(mode="async").items() if name != "id"}
    headers = {"Idempotency-Key": "order-77"}
    first = client.post("/api/v1/orchestrate", json=body, headers=headers).get_json()
    again = client.post("/api/v1/orchestrate", json=body, headers=headers).get_json()
    assert first["jobId"] == again["jobId"]
    other = client.post("/api/v1/orchestrate", json={**body, "width": 640}, headers=headers)
    assert other.status_code == 409
    assert client.post("/api/v1/orchestrate", json=body, headers={"Idempotency-Key": "a b"}).status_code == 400
    assert jobs_in(engine) == 1


def test_fifty_identical_posts_at_once_make_one_job(make: Callable[..., Flask], key: Callable[..., str]) -> None:
    app, secret = make(inline_wait_s=0.2), key()
    with ThreadPoolExecutor(50) as pool:
        posts = [pool.submit(client_of(app, secret).post, "/api/v1/orchestrate", json=quick()) for _ in range(50)]
        answers = [post.result() for post in posts]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_json()["orchestrationId"] for answer in answers}) == 1
    assert jobs_in(parts_of(app).engine) == 1


def test_a_finished_job_posted_again_is_answered_at_once(client: FlaskClient, engine: Engine) -> None:
    body = quick(mode="async")
    first = client.post("/api/v1/orchestrate", json=body).get_json()
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.finish(engine, job)
    again = client.post("/api/v1/orchestrate", json=body)
    assert (again.status_code, again.get_json()["status"]) == (200, "immediate")
    assert again.get_json()["orchestrationId"] == first["orchestrationId"]


@pytest.mark.parametrize(
    ("outcome", "error", "expected"),
    [
        (JobState.FAILED, SourceNotFound("404", path="elements[0].source"), (422, "source_not_found")),
        (JobState.FAILED, RenderFailed("exit 1"), (502, "render_failed")),
        (JobState.FAILED, StorageFailed("gone"), (502, "storage_failed")),
        (JobState.TIMED_OUT, DeadlineExceeded("60 s are over"), (504, "deadline_exceeded")),
        (JobState.CANCELLED, None, (409, "cancelled")),
    ],
)
def test_a_job_that_fails_while_its_client_waits_is_a_problem_with_its_ids(
    client: FlaskClient, engine: Engine, outcome: JobState, error: OrchestratorError | None, expected: tuple[int, str]
) -> None:
    def work() -> None:
        job = hands.until(lambda: hands.job_of(engine, "job_quick"), what="the job is accepted")
        hands.end(engine, job, outcome, error)

    with hands.meanwhile(work):
        answer = client.post("/api/v1/orchestrate", json=quick())
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == expected
    assert problem["status"] == answer.status_code
    assert problem["jobId"] == "job_quick"
    assert problem["orchestrationId"].startswith("orch_")
    assert problem.get("path") == (error.path if error else None)


def test_a_job_that_stops_being_quick_is_let_go(client: FlaskClient, engine: Engine) -> None:
    def work() -> None:
        job = hands.until(lambda: hands.job_of(engine, "job_quick"), what="the job is accepted")
        with engine.begin() as conn:
            conn.execute(
                text("UPDATE jobs SET inline = false WHERE orchestration_id = :id"), {"id": job.orchestration_id}
            )

    with hands.meanwhile(work):
        answer = client.post("/api/v1/orchestrate", json=quick())
    assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")


def test_with_the_broker_down_a_job_is_accepted_and_nobody_waits(
    make: Callable[..., Flask], key: Callable[..., str], unused_port: int
) -> None:
    app = make(redis_url=f"redis://127.0.0.1:{unused_port}/0")
    answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 202
    assert hands.job_of(parts_of(app).engine, "job_quick") is not None


def test_a_broker_that_hangs_costs_no_answer(make: Callable[..., Flask], key: Callable[..., str], tarpit: int) -> None:
    app = make(redis_url=f"redis://127.0.0.1:{tarpit}/0")
    answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert answer.status_code == 202
    assert hands.job_of(parts_of(app).engine, "job_quick") is not None


def test_with_the_database_down_there_is_a_503_to_try_again(
    make: Callable[..., Flask], key: Callable[..., str], unused_port: int
) -> None:
    app = make(database_url=f"postgresql://nobody@127.0.0.1:{unused_port}/none")
    answer = client_of(app, key()).post("/api/v1/orchestrate", json=quick())
    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert answer.get_json()["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in answer.text


def test_a_defect_is_a_500_without_internals(app: Flask, client: FlaskClient, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE jobs RENAME COLUMN estimated_at TO secret_name"))
    answer = client.get("/api/v1/jobs")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "estimated_at" not in answer.text
    assert "Traceback" not in answer.text


def test_a_deadline_in_the_body_reaches_the_job(client: FlaskClient) -> None:
    deadline = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    client.post("/api/v1/orchestrate", json=quick(mode="async", deadline=deadline.isoformat(), metadata={"a": [1]}))
    body = client.get("/api/v1/jobs/job_quick").get_json()
    assert body["deadline"] == deadline.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body["metadata"] == {"a": [1]}


def test_the_request_id_is_the_clients_if_it_is_sane(client: FlaskClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-123"}).headers["X-Request-ID"] == "abc-123"
    made = client.get("/health", headers={"X-Request-ID": 'x" onload="'}).headers["X-Request-ID"]
    assert made.startswith("req_")


def test_answers_close_the_usual_doors(client: FlaskClient) -> None:
    for answer in (client.get("/health"), client.get("/api/v1/jobs"), client.get("/api/v1/nothing")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


def test_a_body_is_what_it_is_however_it_is_written(client: FlaskClient) -> None:
    spaced = json.dumps(quick(mode="async"), indent=4, sort_keys=True)
    first = client.post("/api/v1/orchestrate", data=spaced, content_type="application/json; charset=utf-8")
    again = client.post("/api/v1/orchestrate", json=quick(mode="async"))
    assert first.get_json()["orchestrationId"] == again.get_json()["orchestrationId"]
