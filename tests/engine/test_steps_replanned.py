"""A re-planned job keeps what was done and skips no gate of its new template."""

from __future__ import annotations

from dataclasses import replace

from tests.engine.conftest import PLAN
from workflows.jobs import replan
from workflows.jobs.leases import Claim
from workflows.jobs.states import StepState
from workflows.templates import TEMPLATES

HEAVIER = replace(PLAN, template="balanced_async", total_s=900)


def replanned(ledger):
    job = ledger.accept()
    ledger.run(job, "validate", "allocate", "download")
    claim = ledger.claim(job, "process")
    with ledger.engine.begin() as conn:
        replan.replan(conn, claim, HEAVIER, TEMPLATES["balanced_async"].graph(HEAVIER))
    return job


def test_only_the_first_step_that_is_left_is_ready(ledger):
    steps = ledger.steps(replanned(ledger))
    assert {name for name, step in steps.items() if step.state is StepState.DONE} == {"validate", "download"}
    assert [name for name, step in steps.items() if step.state is StepState.READY] == ["create_record"]


def test_each_step_opens_the_next_that_is_not_done_until_all_are(ledger):
    job = replanned(ledger)
    left = [name for name, step in ledger.steps(job).items() if step.state is not StepState.DONE]
    assert left[:5] == ["create_record", "queue", "allocate", "analyze", "process"]
    for name, following in zip(left, [*left[1:], None], strict=True):
        if following:
            assert not isinstance(ledger.try_claim(job, following), Claim), following
        ledger.run(job, name)
    assert all(step.state is StepState.DONE for step in ledger.steps(job).values())
