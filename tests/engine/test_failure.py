"""The table from an error to what happens, and the endings it leads to."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from workflows.db.patience import patiently
from workflows.errors import NoCapacity, RenderFailed, RenderStalled, SourceNotFound, WorkerLost
from workflows.jobs import compensations, ending, failure, store, webhooks
from workflows.jobs.failure import Action
from workflows.jobs.states import JobState, StepState
from workflows.planning.model import Retries
from workflows.policy import Policy

RETRIES = Retries(limit=3, base_s=2.0, factor=2.0, cap_s=6.0)


def decided(ledger, error, *, failures=0, losses=0, queue="quick", attempts=1):
    job = ledger.accept()
    claim = ledger.claim(job, "validate")
    ledger.query(
        "UPDATE steps SET failures = :f, losses = :l, queue = :q, attempts = :a WHERE id = :id",
        f=failures, l=losses, q=queue, a=attempts, id=claim.step_id,
    )  # fmt: skip
    return failure.decide(error, ledger.steps(job)["validate"], RETRIES, loss_limit=3, jitter=lambda bound: bound)


def test_bad_input_fails_at_once(ledger):
    assert decided(ledger, SourceNotFound("gone", path="elements[0].source")).action is Action.FAIL


@pytest.mark.parametrize(("before", "delay"), [(0, 2.0), (1, 4.0), (2, 6.0)])
def test_failures_back_off_exponentially_to_the_cap(ledger, before, delay):
    decision = decided(ledger, RenderFailed("exit 1"), failures=before)
    assert (decision.action, decision.delay_s, decision.failures) == (Action.RETRY, delay, before + 1)


def test_failures_beyond_the_limit_fail(ledger):
    assert decided(ledger, RenderFailed("exit 1"), failures=3).action is Action.FAIL


def test_losses_count_apart_then_the_safe_queue_then_the_end(ledger):
    first = decided(ledger, WorkerLost("gone"), failures=3)
    assert (first.action, first.failures, first.losses) == (Action.AGAIN, 3, 1)
    assert decided(ledger, RenderStalled("hung"), losses=3).action is Action.SAFE
    assert decided(ledger, WorkerLost("gone"), losses=4, queue="safe").action is Action.FAIL


def test_waiting_for_a_resource_counts_nothing_but_ends(ledger):
    waiting = decided(ledger, NoCapacity("disk full"))
    assert (waiting.action, waiting.failures, waiting.losses) == (Action.RETRY, 0, 0)
    assert decided(ledger, NoCapacity("disk full"), attempts=failure.RESOURCE_TRIES).action is Action.FAIL


def failed(ledger, **changes):
    job = ledger.accept(**changes)
    claim = ledger.claim(job, "validate")
    error = SourceNotFound("the server answers 404", path="elements[0].source")
    with ledger.engine.begin() as conn:
        locked = store.get(conn, job.orchestration_id, lock=True)
        step = store.step(conn, claim.step_id)
        decision = failure.decide(error, step, RETRIES, loss_limit=3, jitter=lambda bound: bound)
        assert failure.apply(conn, locked, step, error, decision)
    return ledger.job(job)


def test_a_job_without_side_effects_ends_at_once_with_its_error(ledger):
    job = failed(ledger)
    assert job.state is JobState.FAILED
    assert job.error["code"] == "source_not_found"
    assert job.error["path"] == "elements[0].source"
    states = {step.state for step in ledger.steps(job).values()}
    assert states == {StepState.FAILED, StepState.SKIPPED}


def test_a_job_with_side_effects_compensates_before_it_ends(ledger):
    job = ledger.accept(webhook_url="https://example.com/hook")
    with ledger.engine.begin() as conn:
        for key in ("a", "b"):
            compensations.record(conn, job.orchestration_id, "s", "delete_object", key=key)
        ending.end(conn, store.get(conn, job.orchestration_id, lock=True), JobState.CANCELLED, None)
    assert ledger.job(job).state is JobState.COMPENSATING
    order = []
    for _ in range(2):
        with ledger.engine.begin() as conn:
            taken = compensations.take_newest(conn, job.orchestration_id)
            order.append(taken.args["key"])
            compensations.mark_done(conn, taken)
    assert order == ["b", "a"]
    with ledger.engine.begin() as conn:
        assert ending.finish_if_compensated(conn, store.get(conn, job.orchestration_id, lock=True))
    assert ledger.job(job).state is JobState.CANCELLED
    assert ledger.query("SELECT body->>'type' FROM outbox")[0][0] == "job.cancelled"


def test_a_compensation_that_never_works_leaves_a_debt_and_the_job_ends(ledger):
    job = ledger.accept()
    with ledger.engine.begin() as conn:
        compensations.record(conn, job.orchestration_id, "s", "delete_object", key="k")
        ending.end(conn, store.get(conn, job.orchestration_id, lock=True), JobState.FAILED, None)
    for _ in range(compensations.TRIES):
        ledger.query("UPDATE compensations SET next_attempt_at = now()")
        with ledger.engine.begin() as conn:
            compensations.mark_failed(conn, compensations.take_newest(conn, job.orchestration_id), "503")
    with ledger.engine.begin() as conn:
        assert ending.finish_if_compensated(conn, store.get(conn, job.orchestration_id, lock=True))
    assert ledger.query("SELECT state FROM compensations")[0][0] == "debt"


def test_deliveries_back_off_for_a_day_then_are_dead_and_gone_is_dead_at_once(ledger):
    assert 20 * 3600 < sum(webhooks.BACKOFF_S) < 30 * 3600
    failed(ledger, webhook_url="https://example.com/hook")
    for attempt in range(len(webhooks.BACKOFF_S) + 1):
        ledger.query("UPDATE outbox SET next_attempt_at = now()")
        with ledger.engine.begin() as conn:
            delivery = webhooks.take_due(conn)
            assert delivery.attempts == attempt + 1
            webhooks.mark_failed(conn, delivery, status=500, error="the receiver answered 500")
    assert ledger.query("SELECT state FROM outbox")[0][0] == "dead"
    job = failed(ledger, webhook_url="https://example.com/gone")
    with ledger.engine.begin() as conn:
        webhooks.mark_failed(conn, webhooks.take_due(conn), status=410, error="gone")
    assert ledger.query("SELECT state FROM outbox WHERE orchestration_id = :j", j=job.orchestration_id)[0][0] == "dead"


def test_policy_can_turn_retries_off_and_lost_workers_are_made_good_all_the_same(ledger):
    off = failure.allowed(RETRIES, Policy(retry_enabled=False))
    step = ledger.steps(ledger.accept())["validate"]
    broke = failure.decide(RenderFailed("exit 1"), step, off, loss_limit=3, jitter=lambda bound: bound)
    lost = failure.decide(WorkerLost("gone"), step, off, loss_limit=3, jitter=lambda bound: bound)
    assert (broke.action, lost.action) == (Action.FAIL, Action.AGAIN)


def test_an_error_text_with_a_nul_is_storable(ledger):
    error = RenderFailed("exit 1", details={"stderr": ["a\x00b"]})
    stored = ledger.query("SELECT CAST(:error AS jsonb) AS error", error=error.as_json())[0].error
    assert stored["details"]["stderr"] == ["ab"]


def test_a_transaction_is_tried_again_while_the_database_is_away():
    answers = [OperationalError("SELECT", {}, Exception("refused")), "done"]

    def work():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(work) == "done"
    answers.append(OperationalError("SELECT", {}, Exception("refused")))
    with pytest.raises(OperationalError):
        patiently(work, for_s=0)
