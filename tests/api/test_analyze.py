"""What POST /api/v1/analyze tells of a job, and that it leaves no trace."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.api.bodies import quick
from workflows.fleet import registry

SCENE = {
    "width": 1280, "height": 720, "frame_rate": 25, "duration": 4,
    "elements": [
        {"id": "title", "type": "text", "text": "Hi", "track": 3, "time": 1, "duration": 2, "x": "25%", "width": "50%"},
        {"id": "music", "type": "audio", "source": "https://example.com/m.mp3", "track": 2, "duration": "end"},
        {"id": "second", "type": "image", "source": "https://example.com/b.png", "track": 1, "time": 3},
        {"id": "first", "type": "video", "source": "https://example.com/a.mp4", "track": 1, "time": 0, "duration": 3},
    ],
}  # fmt: skip


def test_every_element_has_frames_seconds_and_pixels_in_paint_order(client: FlaskClient) -> None:
    answer = client.post("/api/v1/analyze", json=SCENE)
    found = answer.get_json()
    assert answer.status_code == 200, found
    assert (found["frames"], found["duration_s"], found["frame_rate"]) == (100, 4.0, "25")
    assert [row["id"] for row in found["elements"]] == ["first", "second", "music", "title"]
    rows = {row["id"]: row for row in found["elements"]}
    assert {name: row["frames"] for name, row in rows.items()} == {
        "first": [0, 75], "second": [75, 100], "music": [0, 100], "title": [25, 75],
    }  # fmt: skip
    assert rows["title"]["seconds"] == [1.0, 3.0]
    assert rows["title"]["box"] == [320, 0, 640, 720]
    assert rows["music"]["box"] is None
    assert found["assumed"] == ["music", "second", "first"]


def test_the_choice_the_estimate_and_the_steps_are_explained(client: FlaskClient) -> None:
    found = client.post("/api/v1/analyze", json=SCENE).get_json()
    assert (found["template"], found["runner_up"]) == ("quick_sync", "balanced_async")
    assert "quick_sync yes" in found["reason"] and "balanced_async" in found["flips_when"]
    assert sum(found["estimate_parts_s"].values()) == pytest.approx(found["p50_s"])
    assert sum(found["complexity_parts"].values()) == pytest.approx(found["complexity"])
    assert [step["name"] for step in found["steps"]] == [
        "validate", "allocate", "download", "process", "upload", "update", "cleanup",
    ]  # fmt: skip
    assert found["steps"][1]["after"] == ["validate"]


def test_the_same_template_is_then_chosen_for_the_job(client: FlaskClient) -> None:
    for body in (quick("short", mode="async"), {**SCENE, "id": "long", "duration": 1200, "mode": "async"}):
        said = client.post("/api/v1/analyze", json=body).get_json()
        client.post("/api/v1/orchestrate", json=body)
        job = client.get(f"/api/v1/jobs/{body['id']}").get_json()
        assert (job["template"], job["why"]["reason"]) == (said["template"], said["reason"])


def test_the_estimate_is_that_of_the_registered_nodes(client: FlaskClient, engine: Engine) -> None:
    cold = client.post("/api/v1/analyze", json=SCENE).get_json()
    facts = registry.NodeFacts(
        id="node-a", boot_id="b", capabilities={"ffmpeg": "9.0"}, performance={"encode_mpx_s": 30.0}, threads=4,
        memory_bytes=8 * 10**9, disk_bytes=10**11, version="1",
    )  # fmt: skip
    with engine.begin() as conn:
        registry.register_node(conn, facts)
    slow = client.post("/api/v1/analyze", json=SCENE).get_json()
    assert slow["estimate_parts_s"]["encode"] > cold["estimate_parts_s"]["encode"]


def test_it_refuses_what_orchestrate_refuses_in_the_same_words(client: FlaskClient) -> None:
    wrong = quick(width="wide", colour="red")
    ours, theirs = (client.post(f"/api/v1/{name}", json=wrong) for name in ("analyze", "orchestrate"))
    assert (ours.status_code, ours.content_type) == (422, "application/problem+json")
    drop = {"request_id", "instance"}
    assert {k: v for k, v in ours.get_json().items() if k not in drop} == {
        k: v for k, v in theirs.get_json().items() if k not in drop
    }
    assert client.post("/api/v1/analyze", data=b"[]", content_type="application/json").status_code == 422


def test_nothing_is_stored(client: FlaskClient, engine: Engine) -> None:
    client.post("/api/v1/analyze", json=quick())
    with engine.connect() as conn:
        for table in ("jobs", "workflows", "steps", "events"):
            assert conn.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
