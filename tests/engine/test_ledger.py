"""Accepting, claiming and completing: what the ledger promises about steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from workflows import canvas
from workflows.broker import make_app
from workflows.db.tables import metadata
from workflows.errors import Cancelled, Conflict, LeaseLost, SourceRefused
from workflows.jobs import ending, events, failure, leases, store
from workflows.jobs.leases import Claim, Refusal
from workflows.jobs.states import IllegalTransition, JobState, StepState
from workflows.planning.model import PLAN_VERSION

BRIEF_QUICK = ["validate", "allocate", "download", "process", "upload", "update", "cleanup"]
BRIEF_BALANCED = [
    "validate", "create_record", "queue", "allocate", "download", "analyze", "process", "qa", "upload", "update",
    "notify", "cleanup",
]  # fmt: skip


def test_migrations_make_the_tables_the_code_declares(ledger):
    with ledger.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"include_object": _not_a_partition})
        assert compare_metadata(context, metadata) == []


def _not_a_partition(_, name, kind, *__):
    return not (kind in {"table", "index"} and name and name.startswith("events_2"))


@pytest.mark.parametrize(("template", "names"), [("quick_sync", BRIEF_QUICK), ("balanced_async", BRIEF_BALANCED)])
def test_steps_and_canvas_are_the_briefs_steps_in_order(ledger, engines, template, names):
    job = ledger.accept(template)
    steps = ledger.steps(job)
    app = make_app(engines.settings(), lambda: ledger.engine)
    chain = canvas.build(app, steps.values())
    assert [task.task for task in chain.tasks] == [f"orchestrator.{name}" for name in names]
    assert [task.args[0] for task in chain.tasks] == [steps[name].id for name in names]
    assert all(task.immutable for task in chain.tasks)
    # The rows' edges are the chain's: each step opens exactly the next.
    following = dict(zip(names, [*names[1:], None], strict=True))
    for name, step in steps.items():
        expected = [steps[following[name]].id] if following[name] else []
        assert step.successors == expected
        assert step.state is (StepState.READY if name == "validate" else StepState.BLOCKED)


def test_canvas_of_what_is_left_leaves_finished_steps_out(ledger, engines):
    job = ledger.accept()
    ledger.run(job, "validate")
    app = make_app(engines.settings(), lambda: ledger.engine)
    chain = canvas.build(app, ledger.steps(job).values())
    assert [task.task for task in chain.tasks] == [f"orchestrator.{name}" for name in BRIEF_QUICK[1:]]


def test_same_request_is_one_job_and_another_body_conflicts(ledger):
    first = ledger.accept(job_id="twice", body_hash="a")
    assert ledger.accept(job_id="twice", body_hash="a") == first
    with pytest.raises(Conflict):
        ledger.accept(job_id="twice", body_hash="b")
    assert ledger.accept(job_id="twice", body_hash="b", tenant="other").orchestration_id != first.orchestration_id


def test_idempotency_key_finds_the_job_of_the_first_request(ledger):
    first = ledger.accept(idempotency_key="k1", body_hash="a")
    assert ledger.accept(idempotency_key="k1", body_hash="a") == first
    with pytest.raises(Conflict):
        ledger.accept(idempotency_key="k1", body_hash="b")
    ledger.query("UPDATE idempotency SET expires_at = now() - interval '1 s'")
    assert ledger.accept(idempotency_key="k1", body_hash="b").orchestration_id != first.orchestration_id


def test_fifty_requests_at_once_make_one_job(ledger):
    def post(_):
        return ledger.accept(job_id="one", body_hash="a").orchestration_id

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(post, range(50)))) == 1
    assert ledger.query("SELECT count(*) FROM steps")[0][0] == len(BRIEF_QUICK)


def test_only_one_of_many_claims_wins(ledger):
    job = ledger.accept()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: ledger.try_claim(job, "validate", owner=f"w{n}"), range(20)))
    assert sum(isinstance(answer, Claim) for answer in answers) == 1


def test_a_blocked_step_or_a_newer_plan_is_not_claimed(ledger):
    job = ledger.accept()
    assert ledger.try_claim(job, "process") is Refusal.NOTHING
    newer = ledger.accept(version=PLAN_VERSION + 1)
    assert ledger.try_claim(newer, "validate") is Refusal.NOTHING
    assert ledger.steps(newer)["validate"].state is StepState.READY


def test_a_done_step_passes_the_canvas_on_only_while_its_successor_waits(ledger):
    job = ledger.accept()
    ledger.run(job, "validate")
    assert ledger.try_claim(job, "validate") is Refusal.PASS_ON
    ledger.claim(job, "allocate")
    assert ledger.try_claim(job, "validate") is Refusal.NOTHING


def test_the_first_claim_makes_a_job_processing_and_starts_no_clock(ledger):
    job = ledger.accept()
    claim = ledger.claim(job, "validate")
    assert ledger.job(job).state is JobState.PROCESSING
    assert claim.remaining_s is None


def test_an_expired_lease_nobody_took_revives_and_a_taken_one_is_fenced(ledger):
    job = ledger.accept()
    claim = ledger.claim(job, "validate")
    ledger.expire(claim)
    with ledger.engine.begin() as conn:
        leases.heartbeat(conn, claim, progress=0.5, lease_s=60)
    assert ledger.steps(job)["validate"].progress == 0.5
    ledger.query("UPDATE steps SET state = 'ready' WHERE id = :id", id=claim.step_id)
    second = ledger.claim(job, "validate", owner="w2")
    assert second.fence == claim.fence + 1
    for stale in (
        lambda c: leases.heartbeat(c, claim, progress=1, lease_s=60),
        lambda c: leases.complete(c, claim, {}),
    ):
        with pytest.raises(LeaseLost), ledger.engine.begin() as conn:
            stale(conn)
    ledger.complete(second)
    assert ledger.steps(job)["validate"].state is StepState.DONE


def test_progress_never_goes_back(ledger):
    claim = ledger.claim(job := ledger.accept(), "validate")
    for value in (0.4, 0.2):
        with ledger.engine.begin() as conn:
            leases.heartbeat(conn, claim, progress=value, lease_s=60)
    assert ledger.steps(job)["validate"].progress == 0.4


def test_heartbeat_brings_the_cancel_flag_and_completing_then_is_refused(ledger):
    claim = ledger.claim(job := ledger.accept(), "validate")
    ledger.query("UPDATE jobs SET cancel_requested = true")
    with ledger.engine.begin() as conn:
        assert leases.heartbeat(conn, claim, progress=0, lease_s=60).cancel_requested
    with pytest.raises(Cancelled), ledger.engine.begin() as conn:
        leases.complete(conn, claim, {})
    assert ledger.steps(job)["validate"].state is StepState.RUNNING


def test_events_are_gapless_and_tell_the_story(ledger):
    job = ledger.accept()
    ledger.run(job, "validate")
    with ledger.engine.connect() as conn:
        story = events.read(conn, job.orchestration_id)
    assert [event.number for event in story] == list(range(1, len(story) + 1))
    assert [event.type for event in story] == ["job_accepted", "job_processing", "step_started", "step_done"]


def test_events_of_one_job_stay_gapless_under_parallel_writers(ledger):
    job = ledger.accept()

    def write(_):
        with ledger.engine.begin() as conn:
            events.append(conn, job.orchestration_id, "note")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(60)))
    with ledger.engine.connect() as conn:
        assert [event.number for event in events.read(conn, job.orchestration_id)] == list(range(1, 62))


def test_success_is_published_once_and_later_steps_cannot_undo_it(ledger):
    job = ledger.accept()
    ledger.run(job, "validate", "allocate", "download", "process", "upload")
    claim = ledger.claim(job, "update")
    result = {"key": "acme/jobs/x", "size_bytes": 1, "sha256": "s", "warnings": [], "checks": []}
    with ledger.engine.begin() as conn:
        leases.complete(conn, claim, {}, lambda c, j: ending.succeed(c, j, fence=claim.fence, result=result))
    assert ledger.job(job).state is JobState.SUCCEEDED
    assert ledger.job(job).result["key"] == "acme/jobs/x"
    with pytest.raises(IllegalTransition), ledger.engine.begin() as conn:
        ending.end(conn, ledger.job(job), JobState.FAILED, None)
    ledger.run(job, "cleanup")
    assert ledger.job(job).state is JobState.SUCCEEDED


def succeeded(ledger, template="balanced_async"):
    """A job published by `update`, its later steps still to run."""
    job = ledger.accept(template)
    names = list(ledger.steps(job))
    ledger.run(job, *names[: names.index("update")])
    claim = ledger.claim(job, "update")
    result = {"key": "acme/jobs/x", "size_bytes": 1, "sha256": "s", "warnings": [], "checks": []}
    with ledger.engine.begin() as conn:
        leases.complete(conn, claim, {}, lambda c, j: ending.succeed(c, j, fence=claim.fence, result=result))
    return job


def test_steps_after_the_success_know_no_deadline_and_no_cancel(ledger):
    job = succeeded(ledger)
    ledger.query("UPDATE jobs SET total_deadline_at = now() - interval '1 s', cancel_requested = true")
    claim = ledger.claim(job, "notify")
    assert claim.remaining_s is None
    with ledger.engine.begin() as conn:
        beat = leases.heartbeat(conn, claim, progress=0, lease_s=60)
    assert (beat.cancel_requested, beat.remaining_s) == (False, None)
    ledger.complete(claim)
    ledger.run(job, "cleanup")


def test_a_notify_that_fails_lets_cleanup_run_and_leaves_the_success(ledger):
    job = succeeded(ledger)
    claim = ledger.claim(job, "notify")
    error = SourceRefused("no such receiver")
    with ledger.engine.begin() as conn:
        locked, step = store.get(conn, job.orchestration_id, lock=True), store.step(conn, claim.step_id)
        decision = failure.decide(error, step, claim.plan.retries, loss_limit=3, jitter=lambda bound: bound)
        assert failure.apply(conn, locked, step, error, decision)
    assert ledger.steps(job)["cleanup"].state is StepState.READY
    assert ledger.job(job).state is JobState.SUCCEEDED
