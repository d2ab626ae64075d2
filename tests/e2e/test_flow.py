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
