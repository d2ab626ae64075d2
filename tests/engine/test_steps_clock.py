"""A template's total time counts work, not waiting in line: no job fails because others came first."""

from __future__ import annotations

import pytest

from tests.engine.test_gates import POLICY, arrive, at_allocate
from workflows.jobs import admission, reconcile
from workflows.jobs.admission import ALLOCATION
from workflows.jobs.states import JobState
from workflows.settings import Settings


def later(ledger, seconds):
    """Let time pass for every clock of the jobs."""
    for column in ("created_at", "granted_at", "total_deadline_at", "deadline_at"):
        ledger.query(f"UPDATE jobs SET {column} = {column} - make_interval(secs => :s)", s=seconds)
    ledger.query("UPDATE steps SET ready_at = ready_at - make_interval(secs => :s)", s=seconds)


def reconciled(ledger):
    return reconcile.round_of(ledger.engine, Settings(), POLICY, ledger.sender())


def total_left(ledger, job):
    (row,) = ledger.query(
        """SELECT extract(epoch FROM total_deadline_at - clock_timestamp())::float AS left_s FROM jobs
           WHERE orchestration_id = :id""",
        id=job.orchestration_id,
    )
    return row.left_s


def test_a_quick_job_that_waits_for_resources_longer_than_its_total_time_is_not_timed_out(ledger):
    job = at_allocate(ledger)
    assert not arrive(ledger, job), "there is no node yet"
    later(ledger, 120)
    assert reconciled(ledger)["deadline"] == 0
    ledger.node()
    with ledger.engine.begin() as conn:
        assert admission.open_gate(conn, ALLOCATION, POLICY) == [job.orchestration_id]
    assert total_left(ledger, job) == pytest.approx(60, abs=5)
    later(ledger, 61)
    assert reconciled(ledger)["deadline"] == 1
    assert ledger.job(job).outcome is JobState.TIMED_OUT


def test_the_total_time_starts_with_the_resources(ledger):
    ledger.node()
    job = at_allocate(ledger)
    assert arrive(ledger, job)
    assert total_left(ledger, job) == pytest.approx(60, abs=5)


def test_the_clients_own_deadline_counts_waiting_too(ledger):
    job = at_allocate(ledger)
    assert not arrive(ledger, job)
    ledger.query("UPDATE jobs SET deadline_at = now() + interval '100 s'")
    later(ledger, 120)
    assert reconciled(ledger)["deadline"] == 1
    assert ledger.job(job).state is JobState.TIMED_OUT
