"""Parts of the running stack are killed and stopped while jobs run. No job is lost, none is published twice."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import sqlalchemy.exc
import urllib3

from tests.e2e import jobs
from tests.e2e.conditions import until

pytestmark = pytest.mark.chaos


def started(stack, body):
    """Post a job and wait until FFmpeg has rendered some of it; the FFmpeg."""
    stack.post(body)
    stack.at_step(body["id"], "video_processing", past=0.2)
    return stack.ffmpeg_of(body["id"])


def finished_once(stack, body, *orphans):
    """The job succeeds, once, holds nothing but its result, and these processes are gone."""
    stack.completed(body["id"], within_s=90)
    stack.ended_once(body["id"])
    until(lambda: not any(alive(process) for process in orphans), f"{orphans} are gone")
    assert not stack.ffmpegs()
    held = stack.held(body["id"])
    del held["objects"]
    assert not any(held.values()), held


def alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def losses(stack, body):
    return stack.steps(body["id"])["process"].losses


def test_a_worker_killed_with_its_whole_group_loses_no_job(stack, picture):
    body = jobs.long(picture, 45)
    ffmpeg = started(stack, body)
    worker = stack.child("worker-general")
    below = worker.children(recursive=True)
    assert ffmpeg in below
    os.killpg(worker.pid, signal.SIGKILL)
    until(lambda: not any(alive(process) for process in below), "its pool and its FFmpeg die with it", 5)
    finished_once(stack, body, *below)
    assert losses(stack, body) == 1


def test_a_client_that_waits_for_a_quick_job_hears_nothing_of_its_workers_death(stack, picture):
    body = jobs.long(picture, 45, workflow="quick_sync", mode="sync")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.post, body)
        until(lambda: stack.sql("SELECT 1 FROM jobs WHERE job_id = :id", id=body["id"]), "the job is accepted")
        stack.at_step(body["id"], "video_processing", past=0.2)
        worker = stack.child("worker-quick")
        below = worker.children(recursive=True)
        os.killpg(worker.pid, signal.SIGKILL)
        answer = waiting.result(60)
    assert (answer.status, answer.body["status"]) == (200, "immediate"), answer.body
    finished_once(stack, body, *below)
    assert losses(stack, body) == 1


@pytest.mark.verify  # it takes the ten seconds that a worker has to end its renders
def test_a_worker_told_to_stop_gives_its_render_back_within_its_grace(stack, picture):
    body = jobs.long(picture, 900)
    ffmpeg = started(stack, body)
    worker, first = stack.child("worker-general"), stack.steps(body["id"])["process"].fence
    worker.send_signal(signal.SIGTERM)
    until(lambda: not alive(worker), "the worker has stopped", 15)
    until(lambda: not alive(ffmpeg), "its FFmpeg is gone", 5)
    until(lambda: stack.steps(body["id"])["process"].fence > first, "another worker has the step")
    assert losses(stack, body) == 1
    stack.sql("UPDATE jobs SET cancel_requested = true WHERE job_id = :id", id=body["id"])
    assert stack.ended(body["id"])["status"] == "cancelled"
    stack.leaves_nothing(body["id"])


def test_a_pool_child_killed_alone_takes_its_ffmpeg_along_and_the_job_goes_on(stack, picture):
    body = jobs.long(picture, 45)
    ffmpeg = started(stack, body)
    child = stack.holder(body["id"])
    assert ffmpeg.ppid() == child.pid
    child.send_signal(signal.SIGKILL)
    finished_once(stack, body, child, ffmpeg)
    assert losses(stack, body) == 1


def test_an_ffmpeg_that_is_killed_fails_the_attempt_and_is_tried_again(stack, picture):
    body = jobs.long(picture, 45)
    ffmpeg = started(stack, body)
    ffmpeg.send_signal(signal.SIGKILL)
    finished_once(stack, body, ffmpeg)
    step = stack.steps(body["id"])["process"]
    assert (step.failures, step.losses, step.attempts) == (1, 0, 2)


def test_an_ffmpeg_that_hangs_is_found_killed_and_the_job_still_ends(stack, picture):
    body = jobs.long(picture, 45)
    ffmpeg = started(stack, body)
    ffmpeg.send_signal(signal.SIGSTOP)
    until(lambda: not alive(ffmpeg), "the hung FFmpeg is killed", 20)
    finished_once(stack, body, ffmpeg)
    assert losses(stack, body) == 1


def test_a_worker_that_comes_back_from_the_dead_writes_nothing(stack, picture):
    body = jobs.long(picture, 45)
    ffmpeg = started(stack, body)
    zombie = stack.holder(body["id"])
    zombie.send_signal(signal.SIGSTOP)
    ffmpeg.send_signal(signal.SIGSTOP)
    first = stack.steps(body["id"])["process"].fence
    until(lambda: stack.steps(body["id"])["process"].fence > first, "another attempt has the step", 20)
    ffmpeg.send_signal(signal.SIGCONT)
    zombie.send_signal(signal.SIGCONT)
    until(lambda: not alive(ffmpeg), "the zombie's FFmpeg is killed", 20)
    finished_once(stack, body, ffmpeg)
    done = [data["fence"] for _, step, data in stack.history(body["id"], "step_done") if step == "process"]
    assert done == [first + 1]
    assert f"/{first}-" not in stack.published(body["id"])[0].rpartition("/")[2]
    assert losses(stack, body) == 1


def test_the_broker_killed_while_jobs_run_costs_no_job_and_no_render(stack, clip, picture):
    long = jobs.long(picture, 90)
    started(stack, long)
    workers = {name: stack.pid(name) for name in ("worker-quick", "worker-general")}
    quick = [jobs.quick(clip, mode="async") for _ in range(4)]
    for body in quick:
        assert stack.post(body).status == 202
    broker = stack.child("valkey")
    broker.send_signal(signal.SIGKILL)
    until(lambda: not alive(broker), "the broker is dead")
    for body in [*quick, long]:
        finished_once_of_many(stack, body)
    assert stack.steps(long["id"])["process"].attempts == 1
    assert {name: stack.pid(name) for name in workers} == workers, "a worker that lost its broker died of it"


def finished_once_of_many(stack, body):
    stack.completed(body["id"], within_s=90)
    stack.ended_once(body["id"])


def test_with_the_broker_hung_a_job_is_accepted_at_once_and_runs_when_it_is_back(stack, clip):
    broker = stack.child("valkey")
    body = jobs.quick(clip)
    broker.send_signal(signal.SIGSTOP)
    try:
        answer = stack.post(body, timeout_s=8)
        assert (answer.status, answer.body["status"]) == (202, "queued")
        assert stack.status(body["id"])["status"] == "queued"
    finally:
        broker.send_signal(signal.SIGCONT)
    finished_once_of_many(stack, body)


@pytest.mark.parametrize("part", ["postgres", "objectstore"])
def test_a_part_killed_while_a_job_runs_costs_no_job(stack, picture, part):
    body = jobs.long(picture, 45)
    started(stack, body)
    victim = stack.child(part)
    victim.send_signal(signal.SIGKILL)
    until(lambda: not alive(victim), f"{part} is dead")
    until(lambda: stack.pid(part) != victim.pid, f"{part} is started again")
    until(lambda: serves(stack), "the ledger answers", 60)
    finished_once_of_many(stack, body)


def serves(stack):
    try:
        return stack.call("GET", "/ready").status == 200 and stack.sql("SELECT 1")
    except sqlalchemy.exc.OperationalError:
        return False


@pytest.fixture
def second_api(stack, tmp_path) -> Iterator[Callable[[str], tuple[str, subprocess.Popen[bytes]]]]:
    """Starts one more API process on the same ledger, with a failpoint armed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(failpoint: str) -> tuple[str, subprocess.Popen[bytes]]:
        port = free_port()
        environ = {**stack.environ, "PORT": str(port), "ORCHESTRATOR_FAILPOINT": failpoint, "API_WORKERS": "1"}
        with (tmp_path / "api.log").open("wb") as log:
            argv = [sys.executable, "-m", "gunicorn", "-c", "python:orchestrator_api.gunicorn_conf"]
            running.append(subprocess.Popen(argv, env=environ, stdout=log, stderr=log, start_new_session=True))
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(stack, url), f"{url} answers: {Path(log.name).read_text()}")
        return url, running[-1]

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answers(stack, url):
    try:
        return stack.call("GET", "/health", url=url).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_the_api_killed_between_commit_and_publish_loses_no_job(stack, clip, second_api):
    url, _ = second_api("after_commit_before_publish:crash")
    body = jobs.quick(clip)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        stack.post(body, url=url)
    finished_once_of_many(stack, body)
    assert f'"{stack.steps(body["id"])["validate"].id}"' in stack.log("reconciler"), "nobody else can have sent it"
    again = stack.post(body)
    assert (again.status, again.body["orchestrationId"]) == (200, stack.job(body["id"]).orchestration_id)
