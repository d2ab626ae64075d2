"""The last look of the session: what the stack wrote while everything above was done to it."""

from __future__ import annotations

import json
import re
import signal

CHILDREN = ("api", "agent", "worker-quick", "worker-general", "reconciler", "beat", "flower", "supervisor")
# A killed broker makes Celery's own consumer and publisher write traces of lost connections: those are expected.
LOST = re.compile(
    r"(ConnectionError|TimeoutError|OperationalError|ConnectionResetError|BrokenPipeError|WorkerLostError)"
)


def test_no_log_tells_of_a_defect(stack, clip):
    crashes = {name: [line for line in stack.log(name).splitlines() if "step_crashed" in line] for name in CHILDREN}
    assert not any(crashes.values()), crashes
    unhandled = [line for line in stack.log("api").splitlines() if '"unhandled_error"' in line]
    assert not unhandled


def test_every_part_that_died_was_killed_by_us(stack, clip):
    lines = [json.loads(line) for line in stack.log("supervisor").splitlines()]
    died = [(line["child"], line["exit_code"]) for line in lines if line["event"] == "child_died"]
    assert {code for _, code in died} <= {-signal.SIGKILL}, died


def test_every_trace_in_a_log_is_of_a_connection_or_worker_we_cut(stack, clip):
    for name in CHILDREN:
        traces = [trace for trace in traces_of(stack.log(name)) if not LOST.search(trace)]
        assert not traces, (name, traces[0])


def traces_of(log: str) -> list[str]:
    """The tracebacks in a log: as lines of their own, or inside a JSON line."""
    inside = [json.loads(line).get("exception", "") for line in log.splitlines() if '"exception"' in line]
    outside = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*.*", log, re.MULTILINE)
    return [trace for trace in [*inside, *outside] if "Traceback" in trace]
