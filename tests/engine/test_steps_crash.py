"""A worker that dies at the worst moments of a step: the step is done again, and its effect is there once."""

from __future__ import annotations

import signal

import pytest

from workflows.jobs import reconcile
from workflows.jobs.states import JobState, StepState
from workflows.policy import Policy


def lost(hands, name):
    """The lease of the dead runs out and the reconciler takes the step over."""
    hands.ledger.query(
        "UPDATE steps SET lease_until = now() - interval '1 s' WHERE id = :id AND state = 'running'",
        id=hands.step(name).id,
    )  # fmt: skip
    reconcile.round_of(hands.ledger.engine, hands.tools.settings, Policy(), hands.ledger.sender())


def published_once(hands):
    succeeded = hands.ledger.query(
        "SELECT 1 FROM events WHERE orchestration_id = :id AND type = 'job_succeeded'", id=hands.job.orchestration_id
    )
    return len(succeeded) == 1 and hands.artifacts().count("published") == 1


@pytest.mark.parametrize(
    ("failpoint", "artifacts"),
    [
        ("after_claim", ["published"]),
        ("after_encode_before_upload", ["published"]),
        ("after_upload_before_commit", ["published", "staged"]),
        ("before_complete", ["published", "staged"]),
    ],
)
def test_a_render_whose_worker_dies_is_done_again_and_published_once(hands, failpoint, artifacts):
    hands.submit("quick_sync")
    hands.up_to("download")
    assert hands.do_and_die("process", failpoint) == -signal.SIGKILL
    assert hands.step("process").state is StepState.RUNNING
    lost(hands, "process")
    step = hands.step("process")
    assert (step.state, step.losses, step.failures) == (StepState.READY, 1, 0)
    assert hands.up_to("cleanup").state is StepState.DONE
    assert published_once(hands)
    assert sorted(hands.artifacts()) == artifacts
    assert hands.now.result["key"].rpartition("/")[2].startswith("2-"), "the second attempt's file"
    known = hands.ledger.query("SELECT key FROM artifacts WHERE orchestration_id = :id", id=hands.job.orchestration_id)
    stored = {one.key for one in hands.tools.store.list(f"acme/jobs/{hands.job.orchestration_id}/")}
    assert stored == {row.key for row in known}, "nothing is in the store that the ledger does not know"


@pytest.mark.parametrize("name", ["validate", "download", "process", "upload", "update", "cleanup"])
def test_a_step_whose_worker_dies_after_the_commit_is_not_done_twice(hands, name):
    hands.submit("quick_sync")
    for step in ("validate", "allocate", "download", "process", "upload", "update", "cleanup"):
        if step == name:
            assert hands.do_and_die(name, "after_commit_before_ack") == -signal.SIGKILL
            break
        hands.do(step)
    fence = hands.step(name).fence
    assert hands.step(name).state is StepState.DONE
    hands.do(name)  # the message comes again
    assert hands.step(name).fence == fence
    hands.up_to("cleanup")
    assert hands.now.state is JobState.SUCCEEDED
    assert published_once(hands)
    assert hands.allocation().state == "released"
