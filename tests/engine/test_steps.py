"""No step is a no-op: for each, what is missing when it is skipped. Real engines, each step run as its task runs it."""

from __future__ import annotations

import hashlib

import pytest

from orchestrator_tasks import runtime
from tests.e2e import footage
from workflows.jobs import reconcile
from workflows.jobs.states import JobState, StepState
from workflows.policy import Policy

BOTH = pytest.mark.parametrize("template", ["quick_sync", "balanced_async"])


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
