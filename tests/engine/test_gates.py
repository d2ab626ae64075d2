"""Admission and allocation: who waits, who passes, and that nothing is ever promised twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from workflows.fleet import allocation
from workflows.jobs import admission
from workflows.jobs.admission import ADMISSION, ALLOCATION
from workflows.jobs.states import JobState, StepState
from workflows.planning.model import Need
from workflows.policy import Policy

POLICY = Policy(strategy="least_connections", max_concurrent_jobs=50)


def arrive(ledger, job, gate=ALLOCATION, name="allocate", policy=POLICY):
    """What the gate's step does in a worker; whether the job passed."""
    claim = ledger.claim(job, name)
    with ledger.engine.begin() as conn:
        return job.orchestration_id in admission.wait_in_line(conn, claim, gate, policy)


def at_allocate(ledger, **changes):
    job = ledger.accept(**changes)
    ledger.run(job, "validate")
    return job


def at_queue(ledger, **changes):
    job = ledger.accept("balanced_async", **changes)
    ledger.run(job, "validate", "create_record")
    return job


def test_a_reservation_names_its_node_strategy_and_snapshot(ledger):
    ledger.node()
    job = at_allocate(ledger)
    assert arrive(ledger, job)
    row = ledger.query("SELECT node, strategy, snapshot, state FROM allocations")[0]
    assert (row.node, row.strategy, row.state) == ("n1", "least_connections", "granted")
    assert row.snapshot[0]["id"] == "n1"
    assert ledger.steps(job)["allocate"].state is StepState.DONE
    assert ledger.steps(job)["download"].state is StepState.READY


def test_without_a_live_node_the_job_waits_and_passes_when_one_registers(ledger):
    job = at_allocate(ledger)
    assert not arrive(ledger, job)
    assert ledger.steps(job)["allocate"].reason == "allocation"
    ledger.node()
    with ledger.engine.begin() as conn:
        assert admission.open_gate(conn, ALLOCATION, POLICY) == [job.orchestration_id]


def test_fifty_claimers_at_once_never_overcommit(ledger):
    ledger.node(threads=4, memory_bytes=100_000)
    jobs = [at_allocate(ledger) for _ in range(50)]
    ledger.query("UPDATE allocations SET quick = false")
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda job: arrive(ledger, job), jobs))
    held = ledger.query("SELECT count(*), sum(threads) FROM allocations WHERE state = 'granted'")[0]
    assert tuple(held) == (2, 4)
    waiting = [job for job in jobs if ledger.steps(job)["allocate"].state is StepState.WAITING]
    assert len(waiting) == 48


def test_memory_is_strict_and_quick_jobs_exceed_threads_by_one_a_node(ledger):
    ledger.node(threads=2, memory_bytes=2500)
    assert arrive(ledger, at_allocate(ledger))
    assert not arrive(ledger, at_allocate(ledger)), "the one quick job beyond the threads runs already"
    ledger.query("UPDATE allocations SET quick = false WHERE state = 'granted'")
    with ledger.engine.begin() as conn:
        assert len(admission.open_gate(conn, ALLOCATION, POLICY)) == 1, "a quick one may exceed the threads once"
    heavy = at_allocate(ledger, need=Need(threads=1, memory_bytes=3000, disk_bytes=0))
    ledger.query("UPDATE allocations SET state = 'released' WHERE state = 'granted'")
    assert not arrive(ledger, heavy), "more memory than the node has never fits"


def test_release_lets_the_next_in_line_through(ledger):
    ledger.node(threads=2, memory_bytes=1500)
    first, second = at_allocate(ledger), at_allocate(ledger)
    assert arrive(ledger, first)
    assert not arrive(ledger, second)
    with ledger.engine.begin() as conn:
        allocation.release(conn, first.orchestration_id)
        assert admission.open_gate(conn, ALLOCATION, POLICY) == [second.orchestration_id]


def test_admission_stops_at_twice_the_slots_and_at_the_policy(ledger):
    ledger.node(slots=1)
    jobs = [at_queue(ledger) for _ in range(3)]
    assert [arrive(ledger, job, ADMISSION, "queue") for job in jobs] == [True, True, False]
    assert ledger.job(jobs[2]).state is JobState.QUEUED
    assert ledger.job(jobs[0]).granted_at is not None
    assert ledger.job(jobs[2]).granted_at is None
    ledger.query("UPDATE jobs SET finished_at = now() WHERE orchestration_id = :id", id=jobs[0].orchestration_id)
    with ledger.engine.begin() as conn:
        assert admission.open_gate(conn, ADMISSION, Policy(max_concurrent_jobs=1)) == []
        assert admission.open_gate(conn, ADMISSION, POLICY) == [jobs[2].orchestration_id]
    assert ledger.job(jobs[2]).state is JobState.PROCESSING


def test_the_line_is_ordered_by_priority_and_waiting_then_tenant_then_age(ledger):
    trace = [
        ("low-old", "a", 1, 4.0),  # 1 + 4 min = 5
        ("critical", "a", 4, 0.0),  # 4
        ("normal-busy-tenant", "a", 2, 0.0),  # 2, tenant a has one running
        ("normal-free-tenant", "b", 2, 0.0),  # 2
        ("low", "b", 1, 0.0),
    ]
    ledger.node(slots=1)
    running = at_queue(ledger, tenant="a")
    assert arrive(ledger, running, ADMISSION, "queue")
    assert arrive(ledger, at_queue(ledger, tenant="c"), ADMISSION, "queue")
    jobs = {}
    for name, tenant, priority, _ in trace:
        jobs[name] = at_queue(ledger, tenant=tenant, priority=priority)
        assert not arrive(ledger, jobs[name], ADMISSION, "queue")
    for name, _, _, minutes in trace:
        ledger.query(
            """UPDATE steps SET ready_at = now() - make_interval(secs => :s)
               WHERE name = 'queue' AND orchestration_id = :id""",
            s=minutes * 60, id=jobs[name].orchestration_id,
        )  # fmt: skip
    ledger.query("UPDATE jobs SET finished_at = now() WHERE tenant = 'c'")
    order = []
    names = {job.orchestration_id: name for name, job in jobs.items()}
    for _ in trace:
        with ledger.engine.begin() as conn:
            passed = admission.open_gate(conn, ADMISSION, POLICY)
        order += [names[orchestration_id] for orchestration_id in passed]
        ledger.query("UPDATE jobs SET finished_at = now() WHERE orchestration_id = ANY(:ids)", ids=passed)
    assert order == ["low-old", "critical", "normal-free-tenant", "normal-busy-tenant", "low"]


def test_a_cancelled_waiter_does_not_hold_the_line(ledger):
    ledger.node(threads=2, memory_bytes=1500)
    first = at_allocate(ledger)
    assert arrive(ledger, first)
    gone, after = at_allocate(ledger), at_allocate(ledger)
    assert not arrive(ledger, gone)
    assert not arrive(ledger, after)
    ledger.query("UPDATE jobs SET cancel_requested = true WHERE orchestration_id = :id", id=gone.orchestration_id)
    with ledger.engine.begin() as conn:
        allocation.release(conn, first.orchestration_id)
        assert admission.open_gate(conn, ALLOCATION, POLICY) == [after.orchestration_id]


def test_a_job_no_node_could_ever_hold_stops_nobody_and_fails_after_a_while(ledger):
    ledger.node(memory_bytes=10_000)
    giant = at_allocate(ledger, need=Need(threads=1, memory_bytes=20_000, disk_bytes=0))
    assert not arrive(ledger, giant)
    assert arrive(ledger, at_allocate(ledger)), "those behind it pass"
    ledger.query("UPDATE steps SET ready_at = now() - interval '2 min'")
    with ledger.engine.begin() as conn:
        admission.open_gate(conn, ALLOCATION, POLICY)
    assert ledger.job(giant).state is JobState.FAILED
    assert ledger.job(giant).error["code"] == "no_capacity"


def test_a_job_planned_for_more_threads_than_any_node_has_runs_alone(ledger):
    ledger.node(threads=2)
    wide = at_allocate(ledger, need=Need(threads=16, memory_bytes=1, disk_bytes=0))
    assert arrive(ledger, wide)


def test_without_a_live_worker_nobody_is_admitted(ledger):
    assert not arrive(ledger, at_queue(ledger), ADMISSION, "queue")
    ledger.node(slots=1)
    with ledger.engine.begin() as conn:
        assert len(admission.open_gate(conn, ADMISSION, POLICY)) == 1


def test_a_stream_of_quick_jobs_does_not_keep_a_waiting_one_out(ledger):
    ledger.node(threads=2, memory_bytes=1500)
    running = at_allocate(ledger)
    assert arrive(ledger, running)
    slow = ledger.accept("balanced_async")
    ledger.run(slow, "validate", "create_record", "queue")
    assert not arrive(ledger, slow)
    ledger.query(
        "UPDATE steps SET ready_at = now() - interval '5 min' WHERE orchestration_id = :id", id=slow.orchestration_id
    )
    assert not arrive(ledger, at_allocate(ledger))
    with ledger.engine.begin() as conn:
        allocation.release(conn, running.orchestration_id)
        assert admission.open_gate(conn, ALLOCATION, POLICY) == [slow.orchestration_id]
