"""Many jobs at once, and how one of them is watched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from tests.e2e import jobs


def test_a_render_of_some_seconds_shows_rising_progress_that_never_falls(stack, picture):
    body = jobs.long(picture, 60)
    stack.post(body)
    seen = list(stack.client.watch(body["id"]))
    fractions = [status["progress_fraction"] for status in seen]
    rendering = {status["progress"] for status in seen if status["current_step"] == "video_processing"}
    assert all(before <= after for before, after in pairwise(fractions)), fractions
    assert len(set(fractions)) >= 5, fractions
    assert len(rendering) >= 5, rendering
    assert (seen[-1]["status"], seen[-1]["progress"]) == ("completed", "100%")
    assert all(status["status"] in {"queued", "processing"} for status in seen[:-1])


def test_twenty_jobs_at_once_all_finish_and_each_once(stack, clip):
    bodies = [jobs.quick(clip, fill_color=f"#0000{number:02x}") for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(stack.post, bodies))
    assert {answer.status for answer in answers} <= {200, 202}
    for body in bodies:
        stack.completed(body["id"], within_s=90)
        stack.ended_once(body["id"])


def test_a_quick_job_behind_long_ones_is_not_stuck(stack, clip, picture):
    before = [jobs.long(picture, 900) for _ in range(2)]
    for body in before:
        stack.post(body)
    for body in before:
        stack.at_step(body["id"], "video_processing")
    answer = stack.post(jobs.quick(clip))
    assert (answer.status, answer.body["status"]) == (200, "immediate"), answer.body
    assert [stack.status(body["id"])["status"] for body in before] == ["processing", "processing"]
    for body in before:
        stack.sql("UPDATE jobs SET cancel_requested = true WHERE job_id = :id", id=body["id"])
    for body in before:
        assert stack.ended(body["id"])["status"] == "cancelled"
        stack.leaves_nothing(body["id"])
