"""What POST /api/v1/preview answers; the worker is played by hand, the picture is real."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import Engine, text

from orchestrator_api.parts import Parts
from tests.api import hands
from tests.api.bodies import quick
from workflows.errors import SourceNotFound
from workflows.jobs import store
from workflows.jobs.rows import Job
from workflows.jobs.states import JobState


def only_job(engine: Engine) -> Job | None:
    with engine.connect() as conn:
        row = conn.execute(text("SELECT orchestration_id FROM jobs")).one_or_none()
        return row and store.get(conn, row.orchestration_id)


def body_of(engine: Engine) -> dict[str, Any]:
    with engine.connect() as conn:
        found: dict[str, Any] = conn.execute(text("SELECT body FROM jobs")).scalar_one()
        return found


def test_the_answer_is_the_picture_itself(client: FlaskClient, engine: Engine, parts: Parts, tmp_path: Path) -> None:
    Image.new("RGB", (64, 36), (10, 200, 30)).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    key = "acme/jobs/orch_x/process/1-preview.png"
    parts.store.put_file(key, tmp_path / "p.png", content_type="image/png", sha256=sha256)

    def work() -> None:
        job = hands.until(lambda: only_job(engine), what="the job is accepted")
        hands.finish(engine, job, {"key": key, "size_bytes": len(data), "sha256": sha256})

    with hands.meanwhile(work):
        answer = client.post("/api/v1/preview", json={"job": quick("mine"), "time": 0.5, "max_width": 160})
    assert (answer.status_code, answer.content_type) == (200, "image/png"), answer.data[:300]
    with Image.open(io.BytesIO(answer.data)) as picture:
        assert (picture.size, picture.getpixel((5, 5))) == ((64, 36), (10, 200, 30))
    job = only_job(engine)
    assert job is not None and answer.headers["X-Orchestration-ID"] == job.orchestration_id
    assert (job.job_id != "mine", job.template, job.expires_in_s) == (True, "quick_sync", 300)
    body = body_of(engine)
    assert (body["output_format"], body["snapshot_time"], body["render_scale"]) == ("png", 0.5, 0.5)
    assert body["elements"] == quick()["elements"]


def test_a_preview_that_fails_is_a_problem(client: FlaskClient, engine: Engine) -> None:
    def work() -> None:
        job = hands.until(lambda: only_job(engine), what="the job is accepted")
        hands.end(engine, job, JobState.FAILED, SourceNotFound("the server answered 404", path="elements[0].source"))

    with hands.meanwhile(work):
        answer = client.post("/api/v1/preview", json={"job": quick()})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert answer.get_json()["code"] == "source_not_found"


def test_a_preview_nobody_may_wait_for_is_a_202(make: Any, key: Any) -> None:
    from tests.api.conftest import client_of

    answer = client_of(make(inline_waiters=0), key()).post("/api/v1/preview", json={"job": quick()})
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith("/status")


def test_faults_are_a_422_and_no_job(client: FlaskClient, engine: Engine) -> None:
    wrong = quick()
    wrong["elements"][0]["opactiy"] = 1
    for body, path in (
        ({}, "job"), ({"job": wrong}, "job.elements[0].opactiy"), ({"job": quick(), "time": 7}, "time"),
        ({"job": quick(), "frame": 30}, "frame"),
    ):  # fmt: skip
        answer = client.post("/api/v1/preview", json=body)
        assert (answer.status_code, answer.get_json()["path"]) == (422, path)
    assert only_job(engine) is None
