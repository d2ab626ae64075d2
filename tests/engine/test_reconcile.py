"""The reconciler: whatever should run and does not is repaired from the rows alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workflows.jobs import reconcile
from workflows.jobs.states import JobState, StepState
from workflows.policy import Policy
from workflows.settings import Settings

SETTINGS = Settings(loss_limit=3, republish_s=2)


def reconciled(ledger, settings=SETTINGS, **sender):
    return reconcile.round_of(ledger.engine, settings, Policy(), ledger.sender(**sender))


def age(ledger, seconds):
    ledger.query("UPDATE steps SET dispatched_at = dispatched_at - make_interval(secs => :s)", s=seconds)


def test_a_fresh_job_is_left_to_its_canvas_and_a_lost_message_is_sent_again(ledger):
    job = ledger.accept()
    assert reconciled(ledger)["republished"] == 0
    age(ledger, 2.5)
    assert reconciled(ledger)["republished"] == 1
    assert ledger.published == [job.orchestration_id]


def test_republishing_doubles_its_patience_to_a_minute(ledger):
    ledger.accept()
    for sent, patience in enumerate([2, 4, 8, 16, 32, 60, 60]):
        age(ledger, patience - 1)
        assert reconciled(ledger)["republished"] == 0, sent
        age(ledger, 1.5)
        assert reconciled(ledger)["republished"] == 1, sent


def test_without_a_broker_nothing_counts_as_sent(ledger):
    ledger.accept()
    age(ledger, 10)
    assert reconciled(ledger, reachable=False)["republished"] == 0
    assert reconciled(ledger)["republished"] == 1


def test_an_expired_lease_is_taken_over_until_the_safe_queue_is_used_up(ledger):
    job = ledger.accept()
    for losses in range(1, 6):
        claim = ledger.claim(job, "validate", owner=f"w{losses}")
        ledger.expire(claim)
        assert reconciled(ledger)["expired"] == 1
        step = ledger.steps(job)["validate"]
        if losses <= 3:
            assert (step.state, step.queue, step.losses) == (StepState.READY, "quick", losses)
        elif losses == 4:
            assert (step.state, step.queue) == (StepState.READY, "safe")
    assert ledger.job(job).state is JobState.FAILED
    assert ledger.job(job).error["code"] == "worker_lost"


def test_a_live_lease_is_left_alone(ledger):
    claim = ledger.claim(job := ledger.accept(), "validate")
    assert reconciled(ledger)["expired"] == 0
    assert ledger.steps(job)["validate"].fence == claim.fence


def test_a_waiting_step_wakes_when_its_time_has_come(ledger):
    job = ledger.accept()
    ledger.query(
        "UPDATE steps SET state='waiting', reason='retry', next_attempt_at=now()+interval '1 h' WHERE name='validate'"
    )
    assert reconciled(ledger)["woken"] == 0
    ledger.query("UPDATE steps SET next_attempt_at = now()")
    assert reconciled(ledger)["woken"] == 1
    assert ledger.steps(job)["validate"].state is StepState.READY


@pytest.mark.parametrize("column", ["deadline_at", "total_deadline_at"])
def test_a_job_past_its_time_is_timed_out_and_its_running_step_is_fenced(ledger, column):
    job = ledger.accept()
    ledger.claim(job, "validate")
    ledger.query(f"UPDATE jobs SET {column} = now() - interval '1 s'")
    assert reconciled(ledger)["deadline"] == 1
    assert ledger.job(job).state is JobState.TIMED_OUT
    assert ledger.job(job).error["code"] == "deadline_exceeded"
    assert ledger.steps(job)["validate"].state is StepState.SKIPPED


def test_a_cancelled_job_ends_as_cancelled(ledger):
    job = ledger.accept()
    ledger.query("UPDATE jobs SET cancel_requested = true")
    assert reconciled(ledger)["cancelled"] == 1
    assert ledger.job(job).state is JobState.CANCELLED


def test_a_job_in_compensation_nobody_works_on_is_handed_to_a_worker(ledger):
    from workflows.jobs import compensations

    job = ledger.accept()
    with ledger.engine.begin() as conn:
        compensations.record(conn, job.orchestration_id, "s", "delete_object", key="k")
    ledger.query("UPDATE jobs SET cancel_requested = true")
    reconciled(ledger)
    assert ledger.job(job).state is JobState.COMPENSATING
    assert set(ledger.compensated) == {job.orchestration_id}
    ledger.query("UPDATE compensations SET state = 'done'")
    reconciled(ledger)
    assert ledger.job(job).state is JobState.CANCELLED


def test_silent_nodes_go_down_and_orphaned_reservations_are_released(ledger):
    ledger.node()
    job = ledger.accept()
    ledger.run(job, "validate")
    ledger.query("UPDATE nodes SET heartbeat_at = now() - interval '1 min'")
    ledger.query("UPDATE allocations SET state = 'granted', node = 'n1'")
    ledger.query("UPDATE jobs SET state = 'failed', finished_at = now() - interval '2 min'")
    reconciled(ledger)
    assert ledger.query("SELECT state FROM nodes")[0][0] == "down"
    assert ledger.query("SELECT state FROM allocations")[0][0] == "released"


def test_two_reconcilers_do_not_repeat_each_other(ledger):
    ledger.accept()
    age(ledger, 10)
    first, second = ledger.sender(), ledger.sender()
    reconcile.round_of(ledger.engine, SETTINGS, Policy(), first)
    reconcile.round_of(ledger.engine, replace(SETTINGS), Policy(), second)
    assert len(ledger.published) == 1


def test_a_row_that_breaks_a_rule_stops_neither_the_rule_nor_the_others(ledger):
    broken, other = ledger.accept(), ledger.accept()
    for job in (broken, other):
        ledger.expire(ledger.claim(job, "validate"))
    ledger.query("UPDATE workflows SET plan = '{}' WHERE orchestration_id = :id", id=broken.orchestration_id)
    ledger.query(
        "UPDATE steps SET lease_until = now() - interval '1 h' WHERE orchestration_id = :id", id=broken.orchestration_id
    )
    assert reconciled(ledger)["expired"] == 1
    assert ledger.steps(other)["validate"].state is StepState.READY


def test_after_an_outage_leases_that_ran_out_are_spared(ledger):
    ledger.expire(ledger.claim(ledger.accept(), "validate"))
    spared = reconcile.round_of(ledger.engine, SETTINGS, Policy(), ledger.sender(), expire=False)
    assert spared["expired"] == 0
    assert reconciled(ledger)["expired"] == 1


def test_only_the_leases_of_exactly_the_dead_process_are_freed(ledger):
    from workflows.fleet import registry

    first, second = ledger.accept(), ledger.accept()
    ledger.claim(first, "validate", owner="quick@n1:b/4026/12")
    ledger.claim(second, "validate", owner="quick@n1:b/4026/123")
    with ledger.engine.begin() as conn:
        assert registry.free_leases_of(conn, "quick@n1:b/4026/12") == 1
    assert reconciled(ledger)["expired"] == 1
    assert ledger.steps(second)["validate"].state is StepState.RUNNING


def test_a_worker_is_asked_to_compensate_once_in_a_while_not_every_round(ledger):
    from workflows.jobs import compensations

    job = ledger.accept()
    with ledger.engine.begin() as conn:
        compensations.record(conn, job.orchestration_id, "s", "delete_object", key="k")
    ledger.query("UPDATE jobs SET cancel_requested = true")
    for _ in range(4):
        reconciled(ledger)
    assert ledger.compensated.count(job.orchestration_id) <= 2, "at the ending, and once by the rule"


def test_an_ended_jobs_reservation_is_given_back_without_a_worker(ledger):
    from workflows.jobs import compensations

    job = ledger.accept()
    with ledger.engine.begin() as conn:
        compensations.record(conn, job.orchestration_id, "s", "release_allocation", allocation_id=job.allocation_id)
    ledger.query("UPDATE allocations SET state = 'granted', node = 'n1'")
    ledger.query("UPDATE jobs SET cancel_requested = true")
    for _ in range(2):
        reconciled(ledger, reachable=False)
    assert ledger.job(job).state is JobState.CANCELLED
    assert ledger.query("SELECT state FROM allocations")[0][0] == "released"


def test_a_job_whose_time_was_renewed_meanwhile_is_not_timed_out(ledger):
    job = ledger.accept()
    ledger.query("UPDATE jobs SET total_deadline_at = now() + interval '1 h'")
    with ledger.engine.begin() as conn:
        assert reconcile._time_out(conn, job.orchestration_id) is None
