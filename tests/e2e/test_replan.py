"""A job that turns out to be of another class is planned anew; and jobs that end before their time leave nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e import footage, jobs
from tests.e2e.conditions import until


@pytest.fixture(scope="module")
def hours(media, library):
    """Twenty minutes of tiny pictures: nothing in its URL says how long it is."""
    path = footage.generate(
        library / "hours.mp4", "color=c=0x406080:s=64x36:r=1:d=1200", *footage.X264, "-g", "10"
    )  # fmt: skip
    return media.add("hours.mp4", path)


def test_a_source_longer_than_assumed_moves_the_job_to_the_queued_class_and_keeps_its_download(stack, media, hours):
    body = jobs.quick(hours, width=1280, height=720)
    answer = stack.post(body)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    before = answer.body["workflow_id"]
    job = stack.job(body["id"])
    assert job.template == "balanced_async"

    ffmpeg = stack.ffmpeg_of(body["id"])
    assert stack.steps(body["id"])["download"].attempts == 0
    assert media.served["hours.mp4"] == 2  # a look by validate, and the download
    rows = stack.sql(
        "SELECT id, template, superseded FROM workflows WHERE orchestration_id = :job ORDER BY created_at",
        job=job.orchestration_id,
    )
    assert [(row.template, row.superseded) for row in rows] == [("quick_sync", True), ("balanced_async", False)]
    assert before in {row.id for row in rows}
    old = stack.sql("SELECT name, state FROM steps WHERE workflow_id = :id AND state <> 'done'", id=rows[0].id)
    assert {row.state for row in old} == {"superseded"}
    history = stack.history(body["id"])
    after = history[[kind for kind, _, _ in history].index("job_replanned") :]
    gone_through = [step for kind, step, _ in after if kind == "step_started"]
    assert gone_through == ["create_record", "queue", "allocate", "analyze", "process"]

    stack.sql("UPDATE jobs SET cancel_requested = true WHERE job_id = :id", id=body["id"])
    until(lambda: not ffmpeg.is_running(), "FFmpeg is gone", 5)
    assert stack.ended(body["id"])["status"] == "cancelled"
    stack.leaves_nothing(body["id"])


def test_a_job_past_its_deadline_times_out_and_leaves_nothing(stack, picture):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    body = jobs.long(picture, 300, deadline=soon.isoformat())
    stack.post(body)
    ffmpeg = stack.ffmpeg_of(body["id"])
    status = stack.ended(body["id"])
    assert (status["status"], status["error"]["code"]) == ("timed_out", "deadline_exceeded")
    until(lambda: not ffmpeg.is_running(), "FFmpeg is gone", 5)
    assert datetime.now(UTC) >= soon
    stack.leaves_nothing(body["id"])
