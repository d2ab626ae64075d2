"""The job a preview becomes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.unit.scene_samples import job, text, video
from workflows.errors import InvalidSpec
from workflows.spec.outputs import made
from workflows.spec.preview import as_asked, preview_job
from workflows.spec.schema import load
from workflows.spec.timeline import resolve

SCENE = job(
    text(id="early", time=0, duration=2), text(id="late", time=2, duration=2), frame_rate=29.97, duration=4, id="mine",
    quality={"codec": "h265"}, webhook_url="https://example.com/hook", workflow="balanced_async", metadata={"a": 1},
)  # fmt: skip


def shown(**asked: Any) -> list[str]:
    spec = load(preview_job({"job": SCENE, **asked}))
    return [layer.element_id for layer in made(spec, resolve(spec, {})).layers]


def test_it_is_a_small_quick_png_of_the_same_scene() -> None:
    spec = load(preview_job({"job": SCENE, "time": 1}))
    assert (spec.output_format, spec.workflow, spec.mode, spec.snapshot_time) == ("png", "quick_sync", "sync", 1)
    assert (spec.id, spec.webhook_url, spec.metadata) == (None, None, {"a": 1})
    assert (spec.width, spec.render_scale, spec.frame_rate) == (1920, Fraction(1, 2), Fraction(30000, 1001))


@pytest.mark.parametrize("first", [59, 60, 61, 62])
def test_a_frame_is_exactly_that_frame(first: int) -> None:
    spec = load(preview_job({"job": SCENE, "frame": first}))
    assert spec.snapshot_time * spec.frame_rate // 1 == first


def test_the_moment_decides_what_is_seen() -> None:
    # 2 s at 30000/1001 frames a second are 59.94 frames: the second title starts with frame 60, at 2.002 s.
    assert shown() == shown(time=0) == shown(time=2) == shown(frame=59) == ["early"]
    assert shown(time=2.003) == shown(frame=60) == ["late"]


@pytest.mark.parametrize(("asked", "scale"), [(None, 0.5), (480, 0.25), (4000, 1), (16, 0.01)])
def test_the_width_is_at_most_what_is_asked(asked: int | None, scale: float) -> None:
    assert preview_job({"job": SCENE, "max_width": asked})["render_scale"] == scale


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "job", "missing_field"),
        ({"job": []}, "job", "invalid_type"),
        ({"job": {}}, "job.elements", "missing_field"),
        ({"job": job(video(fit="conver"))}, "job.elements[0].fit", "invalid_value"),
        ({"job": SCENE, "tiem": 1}, "tiem", "unknown_field"),
        ({"job": SCENE, "time": 1, "frame": 30}, "frame", "not_applicable"),
        ({"job": SCENE, "time": -1}, "time", "out_of_range"),
        ({"job": SCENE, "max_width": 8}, "max_width", "out_of_range"),
        ({"job": {**SCENE, "output_format": "gif"}}, "job.quality", "not_applicable"),
    ],
)
def test_faults_are_named_where_the_client_wrote_them(body: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        preview_job(body)
    assert (path, code) in [(one["path"], one["code"]) for one in caught.value.problems]


def test_faults_of_the_made_job_are_given_back_in_the_clients_words() -> None:
    body = {"job": SCENE, "frame": 500}
    spec = load(preview_job(body))
    with pytest.raises(InvalidSpec) as caught:
        made(spec, resolve(spec, {}))
    assert [one["path"] for one in as_asked(caught.value.problems, body)] == ["frame"]
    other = [{"path": "elements[1].time", "code": "overlap", "message": "", "remedy": ""}]
    assert [one["path"] for one in as_asked(other, body)] == ["job.elements[1].time"]
