"""The two templates as the brief prints them, and the choice between them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.scene_samples import example, job, scene, text, video
from workflows.analysis.analyse import analyse
from workflows.analysis.model import Analysis
from workflows.planning.model import Choice, Plan, Retries
from workflows.planning.plan import UnknownPlanVersion, plan_from_dict, plan_to_dict
from workflows.spec.model import Quality
from workflows.spec.schema import load
from workflows.spec.timeline import resolve
from workflows.templates import TEMPLATES
from workflows.templates.choose import choose, make_plan, runner_up
from workflows.templates.model import Match
from workflows.templates.words import STATUS_WORDS, status_word

QUICK = ["validate", "allocate", "download", "process", "upload", "update", "cleanup"]
BALANCED = [
    *("validate", "create_record", "queue", "allocate", "download", "analyze"),
    *("process", "qa", "upload", "update", "notify", "cleanup"),
]


def analysis(p90_s: float) -> Analysis:
    plain = analyse(scene(text(duration=1)), Quality())
    factor = p90_s / plain.estimate.p90_s
    parts = {name: seconds * factor for name, seconds in plain.estimate.parts.items()}
    return replace(plain, estimate=replace(plain.estimate, p50_s=p90_s / 1.8, p90_s=p90_s, parts=parts))


def chosen(p90_s: float, workflow: str = "auto") -> Choice:
    return choose(load(job(video(), workflow=workflow)), analysis(p90_s))


def plan_of(workflow: str) -> Plan:
    spec = load({**example("reference"), "workflow": workflow})
    timeline = resolve(spec, {})
    known = analyse(timeline, spec.quality, threads=2)
    return make_plan(spec, timeline, known, choose(spec, known), 2)


@pytest.mark.parametrize(("name", "steps"), [("quick_sync", QUICK), ("balanced_async", BALANCED)])
def test_steps_are_the_briefs_in_a_row(name: str, steps: list[str]) -> None:
    graph = TEMPLATES[name].graph(plan_of(name))
    assert [step.name for step in graph.steps] == steps
    assert [step.after for step in graph.steps] == [(), *((before,) for before in steps[:-1])]


@pytest.mark.parametrize(
    ("name", "total", "retries"),
    [
        ("quick_sync", 60, Retries(limit=1, base_s=1, factor=1, cap_s=1)),
        ("balanced_async", 900, Retries(limit=3, base_s=2, factor=2, cap_s=60)),
    ],
)
def test_totals_and_retries_are_the_briefs(name: str, total: int, retries: Retries) -> None:
    plan = plan_of(name)
    assert (plan.template, plan.total_s, plan.retries) == (name, total, retries)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_step_is_bounded_by_its_template(name: str) -> None:
    plan = plan_of(name)
    for step in TEMPLATES[name].graph(plan).steps:
        assert 0 < step.stall_s <= step.time_limit_s < plan.total_s


def test_queues() -> None:
    queues = {name: {step.name: step.queue for step in t.graph(plan_of(name)).steps} for name, t in TEMPLATES.items()}
    assert set(queues["quick_sync"].values()) == {"quick"}
    assert {step for step, queue in queues["balanced_async"].items() if queue == "maintenance"} == {"notify", "cleanup"}
    assert set(queues["balanced_async"].values()) == {"balanced", "maintenance"}


@pytest.mark.parametrize(
    ("p90_s", "template"), [(1, "quick_sync"), (30, "quick_sync"), (30.1, "balanced_async"), (900, "balanced_async")]
)
def test_the_predicted_time_decides(p90_s: float, template: str) -> None:
    assert chosen(p90_s).template == template


def test_longer_jobs_go_to_the_last_template_and_the_reason_says_so() -> None:
    choice = chosen(4000)
    assert choice.template == "balanced_async"
    assert "no template for longer jobs exists yet" in choice.reason
    assert "4000.0 s is over its 900 s" in choice.reason


def test_the_reason_has_the_numbers() -> None:
    choice = chosen(90)
    assert "nine times in ten at most 90.0 s" in choice.reason
    assert "quick_sync no: 90.0 s is over its 30 s" in choice.reason
    assert "balanced_async yes: 90.0 s is within its 900 s" in choice.reason
    assert choice.runner_up == "quick_sync"


@pytest.mark.parametrize(("p90_s", "other", "factor"), [(12, "balanced_async", 2.5), (60, "quick_sync", 0.5)])
def test_what_would_flip_the_choice_does(p90_s: float, other: str, factor: float) -> None:
    choice = chosen(p90_s)
    assert choice.runner_up == other
    assert other in choice.flips_when
    assert f"{factor:g} times" in choice.flips_when
    just_past = 1.01 if factor > 1 else 0.99
    assert chosen(p90_s * factor * just_past).template == other
    assert chosen(p90_s * factor / just_past).template == choice.template


@pytest.mark.parametrize(("amount", "next_best"), [(40, "small"), (890, "large"), (5, "middle")])
def test_the_runner_up_is_the_nearer_neighbour(amount: float, next_best: str) -> None:
    limits = {"small": 30, "middle": 900, "large": 2700}
    matched = {name: Match(fits=amount <= limit, why="", amount=amount, limit=limit) for name, limit in limits.items()}
    own = next(name for name, match in matched.items() if match.fits)
    assert runner_up(own, matched) == next_best


@pytest.mark.parametrize("workflow", ["quick_sync", "balanced_async"])
@pytest.mark.parametrize("p90_s", [5, 500, 5000])
def test_the_job_may_force_a_template(workflow: str, p90_s: float) -> None:
    choice = chosen(p90_s, workflow)
    assert choice.template == workflow
    assert f"The job asks for {workflow}" in choice.reason
    if chosen(p90_s).template != workflow:
        assert choice.runner_up == chosen(p90_s).template


def test_a_plan_fixes_encoder_threads_and_reserves_more_than_the_estimate() -> None:
    plan = plan_of("auto")
    assert (plan.encoder.codec, plan.encoder.preset, plan.encoder.crf, plan.encoder.threads) == (
        "h264",
        "veryfast",
        21,
        2,
    )
    assert plan.need.threads == 2
    assert 1.25 * plan.estimate.memory_bytes <= plan.need.memory_bytes < 1.25 * plan.estimate.memory_bytes + 2**20
    assert plan.need.disk_bytes >= 1.25 * plan.estimate.disk_bytes


@pytest.mark.parametrize("workflow", ["auto", *TEMPLATES])
def test_plans_survive_the_ledger(workflow: str) -> None:
    plan = plan_of(workflow)
    assert plan_from_dict(json.loads(json.dumps(plan_to_dict(plan)))) == plan


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_a_plan_of_another_version_is_not_read(version: object) -> None:
    with pytest.raises(UnknownPlanVersion):
        plan_from_dict({**plan_to_dict(plan_of("auto")), "version": version})


def test_every_step_has_a_word_for_clients() -> None:
    for name, template in TEMPLATES.items():
        assert {step.name for step in template.graph(plan_of(name)).steps} <= set(STATUS_WORDS)
    assert status_word("process") == "video_processing"
    assert status_word("process.12") == "video_processing"
    assert status_word("download") == "source_download"
