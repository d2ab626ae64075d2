"""No step is a no-op: for each, what is missing when it is skipped. Real engines, each step run as its task runs it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import Ignore

from orchestrator_tasks import runtime, task
from orchestrator_tasks.steps import STEPS
from tests.e2e import footage, jobs
from tests.e2e.web import Media, Receiver, receiving_hooks, serving_media
from workflows.fleet.registry import NodeFacts, beat_worker, register_node
from workflows.jobs import reconcile
from workflows.jobs.rows import Job, Step
from workflows.jobs.states import JobState, StepState
from workflows.policy import Policy
from workflows.submit import submit

BOTH = pytest.mark.parametrize("template", ["quick_sync", "balanced_async"])


@dataclass
class Hands:
    """A worker whose every move the test makes. `job` is the one that was submitted last."""

    ledger: Any
    tools: runtime.Runtime
    media: Media
    job: Job | None = None

    def submit(self, template: str, source: str | None = None, **changes: Any) -> Job:
        """Accept a job of a template, as the API does."""
        body = jobs.quick(source or self.media.of("clip.mp4"), workflow=template, **changes)
        done = submit(
            self.tools.engine, self.tools.app, self.tools.settings, Policy(), tenant="acme", body=body,
            idempotency_key=None,
        )  # fmt: skip
        self.job = done.job
        return done.job

    def step(self, name: str) -> Step:
        """One step of the job as it is now."""
        return self.ledger.steps(self.job)[name]

    @property
    def now(self) -> Job:
        """The job as it is now."""
        return self.ledger.job(self.job)

    def do(self, name: str) -> Step:
        """Run a step as its task does; the step afterwards."""
        with contextlib.suppress(Ignore):
            task.execute(self.step(name).id, STEPS[name], "hand@here")
        return self.step(name)

    def skip(self, name: str, **output: Any) -> None:
        """Have a step done without its work: what a no-op would leave."""
        self.ledger.complete(self.ledger.claim(self.job, name), **output)

    def up_to(self, last: str, *, without: str | None = None) -> Step:
        """Run the job's steps up to `last`, in order, skipping one; the last step."""
        for name in list(self.ledger.steps(self.job)):
            if self.step(name).state is StepState.READY:
                self.skip(name) if name == without else self.do(name)
            if name == last:
                break
        return self.step(last)

    def allocation(self) -> Any:
        """The job's reservation."""
        return self.ledger.query(
            "SELECT * FROM allocations WHERE orchestration_id = :id", id=self.job.orchestration_id
        )[0]

    def artifacts(self) -> list[str]:
        """The states of the job's artifacts."""
        rows = self.ledger.query(
            "SELECT state FROM artifacts WHERE orchestration_id = :id", id=self.job.orchestration_id
        )
        return [row.state for row in rows]

    def failed_step(self) -> str:
        """The step whose failure ended the job."""
        rows = self.ledger.query(
            "SELECT step FROM events WHERE orchestration_id = :id AND type = 'step_failed' ORDER BY number",
            id=self.job.orchestration_id,
        )  # fmt: skip
        return rows[-1].step


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media")
    footage.generate(path / "clip.mp4", "testsrc2=s=320x180:r=30:d=1", *footage.X264, sound="sine=f=440:d=1")
    return path


@pytest.fixture
def media(library: Path) -> Iterator[Media]:
    with serving_media() as server:
        server.add("clip.mp4", library / "clip.mp4")
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_hooks() as server:
        yield server


@pytest.fixture
def hands(engines, database, ledger, media, monkeypatch, tmp_path) -> Iterator[Hands]:  # noqa: PLR0917
    own = {
        "DATABASE_URL": database, "DATA_DIR": str(tmp_path / "node"), "SOURCE_ALLOW_PRIVATE": "127.0.0.0/8",
        "RENDER_THREADS": "1",
    }  # fmt: skip
    for name, value in {**engines.variables, **own}.items():
        monkeypatch.setenv(name, value)
    tools = runtime.runtime()
    with ledger.engine.begin() as conn:
        register_node(conn, node(tools))
        beat_worker(conn, "hand@here", node=tools.settings.node, pid=1, queues=["quick", "balanced"], slots=4)
    yield Hands(ledger, tools, media)
    tools.engine.dispose()


@pytest.fixture(autouse=True)
def _own_runtime() -> Iterator[None]:
    runtime._runtime.cache_clear()
    yield
    runtime._runtime.cache_clear()


def node(tools: runtime.Runtime) -> NodeFacts:
    return NodeFacts(
        id=tools.settings.node, boot_id="b", capabilities={"render_threads": 1}, performance={}, threads=8,
        memory_bytes=16 * 2**30, disk_bytes=16 * 2**30, version="0",
    )  # fmt: skip


@BOTH
def test_all_steps_together_deliver_the_video(hands, template, tmp_path):
    hands.submit(template)
    assert hands.up_to("cleanup").state is StepState.DONE
    assert hands.now.state is JobState.SUCCEEDED
    hands.tools.store.get_file(hands.now.result["key"], tmp_path / "result.mp4")
    size, frames, _, kinds = footage.facts(tmp_path / "result.mp4")
    assert (size, frames, kinds) == ((320, 180), 30, ["video", "audio"])


@BOTH
def test_without_validate_a_missing_source_is_found_only_after_resources_are_taken(hands, template):
    gone = hands.media.of("gone.mp4")
    hands.submit(template, gone)
    hands.up_to("download")
    assert (hands.failed_step(), hands.allocation().granted_at) == ("validate", None)
    hands.submit(template, gone)
    hands.up_to("download", without="validate")
    assert hands.failed_step() == "download"
    assert hands.allocation().granted_at is not None


def test_without_create_record_nothing_says_what_the_job_should_cost_where_it_goes_and_how_long_it_stays(hands):
    hands.submit("balanced_async", expires_in=3600)
    output = hands.up_to("create_record").output
    assert output["output_prefix"] == f"acme/jobs/{hands.job.orchestration_id}/"
    assert 0 < output["estimate"]["p50_s"] <= output["estimate"]["p90_s"]
    assert hands.now.retain_until is not None
    hands.submit("balanced_async", expires_in=3600)
    hands.up_to("create_record", without="create_record")
    assert (hands.step("create_record").output, hands.now.retain_until) == ({}, None)


def test_without_queue_more_jobs_run_than_the_limit(hands, monkeypatch):
    monkeypatch.setenv("MAX_CONCURRENT_JOBS", "1")
    runtime._runtime.cache_clear()
    hands.submit("balanced_async")
    assert hands.up_to("queue").state is StepState.DONE
    hands.submit("balanced_async")
    waiting = hands.up_to("queue")
    assert (waiting.state, waiting.reason) == (StepState.WAITING, "admission")
    hands.submit("balanced_async")
    assert hands.up_to("allocate", without="queue").state is StepState.DONE


@BOTH
def test_without_allocate_a_render_runs_on_capacity_nobody_reserved(hands, template):
    hands.submit(template)
    hands.up_to("process")
    assert (hands.allocation().state, hands.allocation().node) == ("granted", hands.tools.settings.node)
    assert hands.allocation().snapshot[0]["id"] == hands.tools.settings.node
    hands.submit(template)
    assert hands.up_to("process", without="allocate").state is StepState.DONE
    assert (hands.allocation().state, hands.allocation().node) == ("requested", None)


@BOTH
def test_without_download_there_is_nothing_to_render_from(hands, template):
    hands.submit(template)
    hands.up_to("validate")
    assert hands.up_to("download").output["sources"][hands.media.of("clip.mp4")]["size_bytes"] > 0
    hands.submit(template)
    hands.up_to("process", without="download")
    assert hands.step("process").state is not StepState.DONE
    assert hands.artifacts() == []


def test_without_analyze_the_plan_keeps_its_guesses_and_nothing_can_be_resolved(hands):
    hands.submit("balanced_async")
    known = hands.up_to("analyze").output
    video = known["media"][hands.media.of("clip.mp4")]["video"]
    assert (video["width"], video["height"], video["frames"]) == (320, 180, 30)
    guessed = hands.step("create_record").output["estimate"]
    assert known["estimate"]["p50_s"] < guessed["p50_s"], "the guess is ten seconds of 1080p"
    hands.submit("balanced_async")
    hands.up_to("process", without="analyze")
    assert hands.step("process").state is not StepState.DONE


@BOTH
def test_without_process_there_is_no_file(hands, template):
    hands.submit(template)
    hands.up_to("upload")
    assert len(list(hands.tools.store.list(f"acme/jobs/{hands.job.orchestration_id}/"))) == 1
    hands.submit(template)
    hands.up_to("cleanup", without="process")
    assert list(hands.tools.store.list(f"acme/jobs/{hands.job.orchestration_id}/")) == []
    assert hands.now.result is None
    assert hands.now.state is not JobState.SUCCEEDED


def damaged(hands, tmp_path) -> None:
    """Have `process` deliver a file that is whole by its index, with noise for pictures."""
    hands.up_to("analyze")
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    hands.do("process")
    stored = hands.step("process").output
    hands.tools.store.get_file(stored["key"], good)
    data = bytearray(good.read_bytes())
    start = data.index(b"mdat") + 400
    data[start : start + 20000] = hashlib.shake_256(b"noise").digest(20000)
    bad.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    hands.tools.store.put_file(stored["key"], bad, content_type="video/mp4", sha256=sha256)
    hands.ledger.query(
        "UPDATE steps SET output = output || jsonb_build_object('sha256', CAST(:sha AS text)) WHERE id = :id",
        sha=sha256, id=hands.step("process").id,
    )  # fmt: skip


def test_without_qa_a_file_that_does_not_decode_is_delivered(hands, tmp_path):
    hands.submit("balanced_async")
    damaged(hands, tmp_path)
    refused = hands.do("qa")
    assert refused.state is not StepState.DONE
    assert refused.error["code"] == "output_wrong"
    hands.submit("balanced_async")
    damaged(hands, tmp_path)
    hands.skip("qa", checks=[])
    hands.up_to("cleanup")
    assert hands.now.state is JobState.SUCCEEDED


@BOTH
def test_without_upload_a_lost_object_goes_unseen_and_nothing_is_recorded(hands, template):
    hands.submit(template)
    hands.up_to("upload")
    assert hands.artifacts() == ["recorded"]
    hands.submit(template)
    hands.up_to("qa" if template == "balanced_async" else "process")
    hands.tools.store.delete([hands.step("process").output["key"]])
    hands.up_to("upload")
    assert hands.step("upload").error["code"] == "storage_failed"
    hands.submit(template)
    hands.up_to("cleanup", without="upload")
    assert hands.artifacts() == ["staged"]
    assert hands.now.result is None


@BOTH
def test_without_update_the_job_has_no_result_and_never_ends(hands, template):
    hands.submit(template)
    hands.up_to("update")
    assert (hands.now.state, hands.artifacts()) == (JobState.SUCCEEDED, ["published"])
    hands.submit(template)
    hands.up_to("cleanup", without="update")
    assert (hands.now.state, hands.now.result, hands.artifacts()) == (JobState.PROCESSING, None, ["recorded"])


def test_without_notify_nobody_is_told(hands, receiver):
    hands.submit("balanced_async", webhook_url=f"{receiver.url}/told")
    hands.up_to("notify")
    assert len(receiver.at("/told")) == 1, "the first try is made at once"
    hands.submit("balanced_async", webhook_url=f"{receiver.url}/silent")
    hands.up_to("cleanup", without="notify")
    assert hands.now.state is JobState.SUCCEEDED
    rows = hands.ledger.query("SELECT 1 FROM outbox WHERE orchestration_id = :id", id=hands.job.orchestration_id)
    assert (rows, receiver.at("/silent")) == ([], [])


@BOTH
def test_without_cleanup_the_reservation_stays_until_the_reconciler_finds_it(hands, template):
    hands.submit(template)
    hands.up_to("cleanup")
    assert hands.allocation().state == "released"
    hands.submit(template)
    hands.up_to("cleanup", without="cleanup")
    assert hands.now.state is JobState.SUCCEEDED
    assert hands.allocation().state == "granted"
    hands.ledger.query("UPDATE jobs SET finished_at = finished_at - interval '2 minutes'")
    reconcile.round_of(hands.ledger.engine, hands.tools.settings, Policy(), hands.ledger.sender())
    assert hands.allocation().state == "released"
