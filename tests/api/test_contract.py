"""The JSON shapes printed in the brief: names, types, formats."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api import hands
from tests.api.bodies import BRIEFS_REQUEST, quick
from workflows.jobs.states import JobState

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_the_briefs_request_is_taken_and_a_long_answer_has_the_async_shape(client: FlaskClient) -> None:
    answer = client.post("/api/v1/orchestrate", json={**BRIEFS_REQUEST, "mode": "async"})
    body = answer.get_json()
    assert answer.status_code == 202
    assert set(body) == {
        "jobId", "orchestrationId", "status", "message", "estimated_completion", "workflow_id",
        "resource_allocation_id",
    }  # fmt: skip
    assert (body["jobId"], body["status"], body["message"]) == ("job_12345", "queued", "Job queued for processing")
    assert re.fullmatch(r"orch_\w+", body["orchestrationId"])
    assert re.fullmatch(r"wf_\w+", body["workflow_id"])
    assert re.fullmatch(r"res_\w+", body["resource_allocation_id"])
    assert TIME.fullmatch(body["estimated_completion"])
    assert answer.headers["Location"] == "/api/v1/jobs/job_12345/status"
    assert 1 <= int(answer.headers["Retry-After"]) <= 15


def test_a_job_done_while_its_client_waits_has_the_immediate_shape(client: FlaskClient, engine: Engine) -> None:
    def work() -> None:
        hands.finish(engine, hands.until(lambda: hands.job_of(engine, "job_quick"), what="the job is accepted"))

    with hands.meanwhile(work):
        answer = client.post("/api/v1/orchestrate", json=quick())
    body = answer.get_json()
    assert answer.status_code == 200, body
    assert set(body) == {
        "jobId", "orchestrationId", "status", "result_url", "processing_time", "processing_time_ms", "file_size",
        "file_size_bytes", "message",
    }  # fmt: skip
    assert (body["jobId"], body["status"]) == ("job_quick", "immediate")
    assert body["message"] == "Job completed successfully"
    assert body["result_url"].startswith("http")
    assert "Signature" in body["result_url"]
    assert body["processing_time"] == f"{body['processing_time_ms']}ms"
    assert isinstance(body["processing_time_ms"], int)
    assert (body["file_size"], body["file_size_bytes"]) == ("50MB", 50_000_000)


def test_status_has_the_briefs_shape_while_a_job_runs(client: FlaskClient, engine: Engine) -> None:
    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.claim_step(engine, job, "validate")
    body = client.get("/api/v1/jobs/job_quick/status").get_json()
    assert {"status", "job_id", "progress", "current_step", "message", "estimated_completion"} <= set(body)
    assert (body["status"], body["job_id"]) == ("processing", "job_quick")
    assert re.fullmatch(r"\d{1,2}%", body["progress"])
    assert 0 <= body["progress_fraction"] < 1
    assert body["current_step"]
    assert body["message"]
    assert TIME.fullmatch(body["estimated_completion"])
    assert "result_url" not in body


def test_status_of_a_finished_job_has_its_result(client: FlaskClient, engine: Engine) -> None:
    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.finish(engine, job)
    body = client.get("/api/v1/jobs/job_quick/status").get_json()
    assert (body["status"], body["progress"], body["progress_fraction"]) == ("completed", "100%", 1.0)
    assert body["result_url"].startswith("http")
    assert "error" not in body


def test_status_of_a_failed_job_has_its_error(client: FlaskClient, engine: Engine) -> None:
    from workflows.errors import SourceNotFound

    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.end(engine, job, JobState.FAILED, SourceNotFound("the server answered 404", path="elements[0].source"))
    body = client.get("/api/v1/jobs/job_quick/status").get_json()
    assert body["status"] == "failed"
    assert body["error"]["code"] == "source_not_found"
    assert body["error"]["path"] == "elements[0].source"
    assert "result_url" not in body


def test_a_job_in_full_lists_its_steps_and_the_reason_for_its_template(client: FlaskClient, engine: Engine) -> None:
    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.finish(engine, job)
    body = client.get("/api/v1/jobs/job_quick").get_json()
    # The brief: Validate → Allocate → Download → Process → Upload → Update → Cleanup
    brief = ["validate", "allocate", "download", "process", "upload", "update", "cleanup"]
    assert [step["name"] for step in body["steps"]] == brief
    done = {step["name"]: step for step in body["steps"]}["process"]
    assert (done["state"], done["attempts"]) == ("done", 1)
    assert done["seconds"] >= 0
    assert body["why"]["reason"]
    assert "key" not in body["result"]


def test_events_are_the_jobs_history_in_order(client: FlaskClient, engine: Engine) -> None:
    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    job = hands.job_of(engine, "job_quick")
    assert job is not None
    hands.finish(engine, job)
    events = client.get("/api/v1/jobs/job_quick/events").get_json()["events"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "job_accepted"
    assert events[-1]["type"] == "job_succeeded"
    later = client.get("/api/v1/jobs/job_quick/events?after=3").get_json()["events"]
    assert later == events[3:]


def test_the_list_goes_backwards_in_pages_and_filters_by_status(client: FlaskClient, engine: Engine) -> None:
    for number in range(5):
        client.post("/api/v1/orchestrate", json=quick(f"job_{number}", mode="async"))
    job = hands.job_of(engine, "job_2")
    assert job is not None
    hands.finish(engine, job)
    first = client.get("/api/v1/jobs?limit=3").get_json()
    second = client.get(f"/api/v1/jobs?limit=3&cursor={first['next_cursor']}").get_json()
    assert [job["job_id"] for job in first["jobs"] + second["jobs"]] == [f"job_{n}" for n in (4, 3, 2, 1, 0)]
    assert "next_cursor" not in second
    assert [job["job_id"] for job in client.get("/api/v1/jobs?status=completed").get_json()["jobs"]] == ["job_2"]
    refused = client.get("/api/v1/jobs?status=finished&limit=3")
    assert (refused.status_code, refused.get_json()["path"]) == (422, "status")


def test_active_workflows_services_and_resources_come_from_the_ledger(client: FlaskClient, engine: Engine) -> None:
    from workflows.fleet import registry

    facts = registry.NodeFacts(
        id="node-a", boot_id="b", capabilities={"ffmpeg": "9.0"}, performance={"encode": 50.0}, threads=4,
        memory_bytes=8 * 10**9, disk_bytes=10**11, version="1",
    )  # fmt: skip
    with engine.begin() as conn:
        registry.register_node(conn, facts)
        registry.beat_worker(conn, "quick@node-a", node="node-a", pid=1, queues=["quick"], slots=2)
    client.post("/api/v1/orchestrate", json=quick(mode="async"))
    workflows = client.get("/api/v1/workflows").get_json()["workflows"]
    assert [(flow["job_id"], flow["status"]) for flow in workflows] == [("job_quick", "queued")]
    assert workflows[0]["steps"][0] == {"name": "validate", "state": "ready", "reason": None, "node": None}
    services = client.get("/api/v1/services").get_json()["services"]
    assert [(node["id"], node["health"], len(node["workers"])) for node in services] == [("node-a", "healthy", 1)]
    total = client.get("/api/v1/resources").get_json()["total"]
    assert total["threads"] == {"capacity": 4, "reserved": 0, "utilization": 0.0}
