"""The last look of the session: what the stack wrote, kept and holds after everything that was done to it."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.e2e.conditions import until

CHILDREN = ("api", "agent", "worker-quick", "worker-general", "reconciler", "beat", "flower", "supervisor")
# A killed broker makes Celery's own consumer and publisher write traces of lost connections: those are expected.
LOST = re.compile(
    r"(ConnectionError|TimeoutError|OperationalError|ConnectionResetError|BrokenPipeError|WorkerLostError)"
)


def test_no_log_tells_of_a_defect(stack):
    crashes = {name: [line for line in stack.log(name).splitlines() if "step_crashed" in line] for name in CHILDREN}
    assert not any(crashes.values()), crashes
    unhandled = [line for line in stack.log("api").splitlines() if '"unhandled_error"' in line]
    assert not unhandled


def test_every_part_that_ended_was_killed_or_stopped_by_us(stack):
    lines = [json.loads(line) for line in stack.log("supervisor").splitlines()]
    died = [(line["child"], line["exit_code"]) for line in lines if line["event"] == "child_died"]
    assert {code for _, code in died} <= {-signal.SIGKILL, 0}, died


def test_every_trace_in_a_log_is_of_a_connection_or_worker_we_cut(stack):
    for name in CHILDREN:
        traces = [trace for trace in traces_of(stack.log(name)) if not LOST.search(trace)]
        assert not traces, (name, traces[0])


NEVER = {
    "a job that has not ended": "SELECT job_id FROM jobs WHERE finished_at IS NULL",
    "a step that is open": """SELECT id FROM steps WHERE state IN ('blocked', 'ready', 'waiting', 'running')""",
    "a lease": "SELECT id FROM steps WHERE lease_owner IS NOT NULL",
    "a reservation": "SELECT id FROM allocations WHERE state <> 'released'",
    "a compensation": "SELECT id FROM compensations WHERE state IN ('pending', 'debt')",
    "a step done twice in one workflow": """SELECT orchestration_id, step FROM events WHERE type = 'step_done'
        GROUP BY orchestration_id, step HAVING count(*) >
          (SELECT count(*) FROM workflows w WHERE w.orchestration_id = events.orchestration_id)""",
    "a gap in a history": """SELECT orchestration_id FROM events GROUP BY orchestration_id
        HAVING count(*) <> max(number) OR min(number) <> 1""",
    "two endings": """SELECT orchestration_id FROM events
        WHERE type IN ('job_succeeded', 'job_failed', 'job_cancelled', 'job_timed_out')
        GROUP BY orchestration_id HAVING count(*) <> 1""",
    "a success without exactly one published file": """SELECT j.job_id FROM jobs j WHERE j.state = 'succeeded' AND 1 <>
        (SELECT count(*) FROM artifacts a WHERE a.orchestration_id = j.orchestration_id AND a.state = 'published'
           AND a.key = j.result->>'key')""",
    "a published file without a success": """SELECT a.key FROM artifacts a JOIN jobs j USING (orchestration_id)
        WHERE a.state = 'published' AND j.state <> 'succeeded'""",
    "a file staged after the file that was published": """SELECT a.key FROM artifacts a
        JOIN artifacts p USING (orchestration_id) WHERE p.state = 'published' AND a.step_id = p.step_id
        AND a.fence > p.fence""",
}  # fmt: skip


@pytest.mark.parametrize("what", NEVER)
def test_the_ledger_holds_no(stack, what):
    until(lambda: not stack.sql(NEVER[what]), f"no {what}: {stack.sql(NEVER[what])}")


def test_the_store_has_only_what_the_ledger_knows(stack):
    known = {row.key for row in stack.sql("SELECT key FROM artifacts WHERE state <> 'deleted'")}
    assert {one.key for one in stack.store.list("default/jobs/")} <= known


def test_no_scratch_and_no_ffmpeg_is_left(stack):
    until(lambda: not list(stack.scratch.iterdir()), f"the scratch is empty: {list(stack.scratch.rglob('*'))}")
    assert not stack.ffmpegs()


def traces_of(log: str) -> list[str]:
    """The tracebacks in a log: as lines of their own, or inside a JSON line."""
    inside = [json.loads(line).get("exception", "") for line in log.splitlines() if '"exception"' in line]
    outside = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*.*", log, re.MULTILINE)
    return [trace for trace in [*inside, *outside] if "Traceback" in trace]
