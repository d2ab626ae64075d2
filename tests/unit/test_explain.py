"""`explain` shows what the system would do, without doing it."""

from __future__ import annotations

import json

import pytest

from tests.unit.scene_samples import example, job, text
from workflows.errors import InvalidSpec
from workflows.explain import as_text, explain


def lines(body: dict[str, object]) -> list[str]:
    return [" ".join(line.split()) for line in as_text(explain(body, 2)).splitlines()]


def test_every_element_is_shown_with_its_frames_and_pixels() -> None:
    shown = lines(example("reference"))
    assert "TIMELINE 300 frames, 10.000 s, on #000000" in shown
    assert "track 1 video background frames 0 to 299 1920x1080 at 0,0 with sound (assumed)" in shown
    assert "track 2 video inset frames 0 to 299 672x378 at 1152,108 (assumed)" in shown
    assert "track 3 image logo frames 0 to 299 192x192 at 96,810 (assumed)" in shown
    assert "track 4 text title frames 30 to 179 1824x972 at 96,108" in shown
    assert "track 5 audio music frames 0 to 299 sound only (assumed)" in shown


def test_every_stage_has_its_section() -> None:
    starts = [
        line.split()[0] for line in as_text(explain(example("reference"), 2)).splitlines() if line and line[0] != " "
    ]
    assert starts == ["SPEC", "TIMELINE", "ANALYSIS", "CHOICE", "PLAN", "STEPS"]


def test_steps_are_shown_with_their_edges() -> None:
    shown = lines(example("reference"))
    assert "validate validation on quick first at most 10 s" in shown
    assert "process video_processing on quick after download at most 55 s" in shown


def test_an_element_without_frames_is_shown_too() -> None:
    shown = lines(job(text(), text(id="late", time=9), duration=2))
    assert "track 2 text late no frames 1920x1080 at 0,0" in shown


def test_the_json_form_has_the_same_facts() -> None:
    found = json.loads(json.dumps(explain(example("slideshow"), 4).as_dict()))
    rows = {row["id"]: row for row in found["elements"]}
    # 3, 5.5 and 8.5 s at 30000/1001 frames a second: 89.91, 164.84 and 254.75 frames.
    assert [rows[name]["frames"] for name in ("first", "second", "third")] == [[0, 90], [90, 165], [165, 255]]
    assert rows["music"]["frames"] == [0, 255]
    assert rows["caption"]["box"] == [0, 576, 1280, 144]
    assert rows["second"]["seconds"] == pytest.approx([90 * 1001 / 30000, 165 * 1001 / 30000])
    # Track 1 holds the pictures one after another, the caption lies over them, the music on the highest track.
    assert [row["id"] for row in found["elements"]] == ["first", "second", "third", "caption", "music"]
    assert (found["frames"], found["frame_rate"]) == (255, "30000/1001")
    assert found["template"] == "quick_sync"
    assert found["runner_up"] == "balanced_async"
    assert sum(found["estimate_parts_s"].values()) == pytest.approx(found["p50_s"])


def test_it_refuses_what_submitting_would() -> None:
    with pytest.raises(InvalidSpec):
        explain({"elements": []}, 2)
