"""What must go on while every slot of the long class is taken by renders of minutes."""

from __future__ import annotations

import pytest

from tests.e2e import jobs
from tests.e2e.conditions import until


@pytest.fixture(scope="module")
def renders(stack, picture):
    """Two renders that fill the slots for as long as these tests need; cancelled at the end."""
    bodies = [jobs.long(picture, 3600, quality={"preset": "ultrafast"}) for _ in range(2)]
    for body in bodies:
        stack.post(body)
    for body in bodies:
        stack.at_step(body["id"], "video_processing")
    yield [body["id"] for body in bodies]
    for body in bodies:
        stack.sql("UPDATE jobs SET cancel_requested = true WHERE job_id = :id", id=body["id"])
    for body in bodies:
        assert stack.ended(body["id"])["status"] == "cancelled"
        stack.leaves_nothing(body["id"])


def still_rendering(stack, renders):
    return all(stack.status(one)["current_step"] == "video_processing" for one in renders)


def test_a_quick_job_is_answered_at_once(stack, clip, renders):
    answer = stack.post(jobs.quick(clip))
    assert (answer.status, answer.body["status"]) == (200, "immediate"), answer.body
    assert still_rendering(stack, renders)


def test_a_quick_jobs_webhook_is_delivered(stack, clip, renders, receiver):
    stack.post(jobs.quick(clip, webhook_url=f"{receiver.url}/busy"))
    until(lambda: receiver.at("/busy"), "the webhook arrives")
    assert still_rendering(stack, renders)


def test_a_job_behind_them_is_cancelled_without_having_run(stack, picture, renders):
    body = jobs.long(picture)
    stack.post(body)
    assert stack.status(body["id"])["status"] == "queued"
    stack.sql("UPDATE jobs SET cancel_requested = true WHERE job_id = :id", id=body["id"])
    assert stack.ended(body["id"])["status"] == "cancelled"
    assert {step.state for step in stack.steps(body["id"]).values()} == {"skipped"}
    assert still_rendering(stack, renders)
