"""The request of the brief, word for word but for its source, and what its answers promise."""

from __future__ import annotations

import json
import re
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from tests.e2e import footage, jobs
from tests.e2e.service import new_id

# BRIEF: "POST /api/v1/orchestrate". Only `id` and `source` are filled in.
REQUEST = """{
  "id": "%s",
  "output_format": "mp4",
  "width": 1920,
  "height": 1080,
  "elements": [
    {
      "id": "element_1",
      "type": "video",
      "source": "%s",
      "track": 1,
      "x": "0%%",
      "y": "0%%",
      "width": "100%%",
      "height": "100%%"
    }
  ],
  "priority": "normal"
}"""
IMMEDIATE = {
    "jobId": str, "orchestrationId": str, "status": str, "result_url": str, "processing_time": str, "file_size": str,
    "message": str,
}  # fmt: skip
QUEUED = {
    "jobId": str, "orchestrationId": str, "status": str, "message": str, "estimated_completion": str,
    "workflow_id": str, "resource_allocation_id": str,
}  # fmt: skip
STATUS = {
    "status": str, "job_id": str, "progress": str, "current_step": str, "message": str, "estimated_completion": str,
}  # fmt: skip
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def curl(stack, *arguments):
    command = ["curl", "-sS", "--max-time", "90", "-H", f"Authorization: Bearer {stack.note['api_key']}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return json.loads(done.stdout)


def shaped(body, shape):
    assert [name for name in body if name in shape] == list(shape)
    assert {name: type(body[name]) for name in shape} == shape
    return body


@pytest.fixture(scope="module")
def full_hd(media, library):
    """A second of 1920x1080."""
    path = footage.generate(library / "full_hd.mp4", "testsrc2=s=1920x1080:r=30:d=1", *footage.X264, *footage.BT709)
    return media.add("full_hd.mp4", path), path


def test_the_briefs_request_returns_its_immediate_answer_and_the_source_fills_the_frame(stack, full_hd, tmp_path):
    url, source = full_hd
    job_id = new_id("job")
    answer = shaped(
        curl(
            stack, "-H", "Content-Type: application/json", "-d", REQUEST % (job_id, url),
            f"{stack.note['url']}/api/v1/orchestrate",
        ),
        IMMEDIATE,
    )  # fmt: skip
    assert (answer["jobId"], answer["status"]) == (job_id, "immediate")
    assert answer["message"] == "Job completed successfully"
    assert re.fullmatch(r"\d+ms", answer["processing_time"])
    assert re.fullmatch(r"[\d.]+(KB|MB)", answer["file_size"])
    assert answer["orchestrationId"].startswith("orch_")

    result = tmp_path / "result.mp4"
    subprocess.run(["curl", "-sS", "-f", "-o", str(result), answer["result_url"]], check=True, timeout=60)
    assert footage.facts(result)[:3] == ((1920, 1080), 30, Fraction(30))
    for number, wanted in footage.frames_at(source, 0, 14, 29).items():
        got = footage.frames_at(result, number)[number]
        assert footage.difference(got, wanted) < 3, number
        edges = np.s_[[0, -1], :], np.s_[:, [0, -1]]
        assert all(footage.difference(got[edge], wanted[edge]) < 6 for edge in edges), number


def test_the_async_answer_and_the_status_have_the_briefs_shapes(stack, clip):
    body = jobs.quick(clip, mode="async")
    posted = curl(
        stack, "-H", "Content-Type: application/json", "-d", json.dumps(body),
        f"{stack.note['url']}/api/v1/orchestrate",
    )  # fmt: skip
    answer = shaped(posted, QUEUED)
    assert (answer["jobId"], answer["status"]) == (body["id"], "queued")
    assert re.fullmatch(MOMENT, answer["estimated_completion"])
    assert answer["workflow_id"].startswith("wf_")
    assert answer["resource_allocation_id"].startswith("res_")
    stack.completed(body["id"])
    status = shaped(curl(stack, f"{stack.note['url']}/api/v1/jobs/{body['id']}/status"), STATUS)
    assert (status["status"], status["progress"]) == ("completed", "100%")
    assert re.fullmatch(MOMENT, status["estimated_completion"])


def test_the_same_request_again_is_the_same_job_and_another_body_under_its_id_is_a_conflict(stack, clip):
    body = jobs.quick(clip)
    first, second = stack.post(body), stack.post(body)
    assert (first.status, second.status) == (200, 200)
    assert first.body["orchestrationId"] == second.body["orchestrationId"]
    assert stack.sql("SELECT count(*) FROM jobs WHERE job_id = :id", id=body["id"])[0][0] == 1
    stack.ended_once(body["id"])
    other = stack.post({**body, "fill_color": "#123456"})
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")


def test_a_wrong_field_is_told_with_its_path_and_the_nearest_name(stack, clip):
    body = jobs.quick(clip)
    body["elements"][0]["widht"] = "50%"
    answer = stack.post(body)
    assert (answer.status, answer.body["code"]) == (422, "invalid_spec")
    (problem,) = answer.body["errors"]
    assert problem["path"] == "elements[0].widht"
    assert "width" in problem["remedy"]
    assert stack.sql("SELECT count(*) FROM jobs WHERE job_id = :id", id=body["id"])[0][0] == 0


BACK, PIP, LOGO = (32, 64, 128), (200, 120, 40), (40, 200, 60)
WIDTH, HEIGHT, RATE = 640, 360, 30


@pytest.fixture(scope="module")
def scene(media, library):
    """Three seconds: background, a picture in picture at 60 %, 10 % and 35 % wide, a logo over it, a fading title."""
    back = media.add("back.mp4", footage.flat(library / "back.mp4", (640, 360), BACK, 3))
    pip = media.add("pip.mp4", footage.flat(library / "pip.mp4", (320, 180), PIP, 3))
    logo = media.add("logo.png", footage.still(library / "logo.png", (64, 64), (*LOGO, 255)))
    title = {"type": "text", "text": "█████", "font_size": 40, "fill_color": "#ffffff", "track": 4}
    return {
        "id": new_id("scene"), "width": WIDTH, "height": HEIGHT, "frame_rate": RATE, "duration": 3,
        "elements": [
            {"type": "image", "source": logo, "track": 3, "x": 560, "y": 20, "width": 64, "height": 64},
            {"type": "video", "source": back, "track": 1},
            {"type": "video", "source": pip, "track": 2, "x": "60%", "y": "10%", "width": "35%", "height": "35%"},
            {
                **title, "text": "HHHHHHHH", "font_weight": 900, "x": 40, "y": 260, "width": 400, "time": 1,
                "duration": 2, "animations": [{"type": "fade", "time": "start", "duration": 1}],
            },
        ],
    }  # fmt: skip


def test_every_layer_is_where_and_when_the_scene_says(stack, scene, tmp_path):
    answer = stack.post(scene)
    assert answer.status == 200, answer.body
    result = stack.download(answer.body["result_url"], tmp_path / "scene.mp4")
    assert footage.facts(result)[:2] == ((WIDTH, HEIGHT), 90)
    frames = footage.frames_at(result, 0, 29, 45, 52, 61, 88)
    # By hand: 60 % of 640 = 384, 10 % of 360 = 36, 35 % = 224 x 126. The logo's square lies over its upper right part.
    points = {
        (20, 20): BACK, (376, 100): BACK, (392, 44): PIP, (392, 154): PIP, (392, 170): BACK, (600, 120): PIP,
        (616, 120): BACK, (592, 52): LOGO, (616, 30): LOGO, (550, 44): PIP, (630, 30): BACK,
    }  # fmt: skip
    for number, frame in frames.items():
        for (x, y), color in points.items():
            got = footage.color_of(frame, x, y)
            assert np.abs(got - color).max() < 8, (number, x, y, got, color)

    light = {number: frame[260:320, 40:440].astype(int).max(axis=(0, 1)).min() for number, frame in frames.items()}
    ground = min(BACK)
    assert light[0] == pytest.approx(ground, abs=10)
    assert light[29] == pytest.approx(ground, abs=10)
    assert ground + 10 < light[45] < light[52] < light[61]
    assert light[45] == pytest.approx(ground + (255 - ground) * 0.5, abs=25)
    assert light[61] == pytest.approx(255, abs=12)
    assert light[88] == pytest.approx(255, abs=12)
