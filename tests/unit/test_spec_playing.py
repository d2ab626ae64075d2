"""Speed, loops, trims: how long things last, and what is said of sources that are too short."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.unit.scene_samples import audio, frames_of, image, layer_of, probe, scene, sound_of, video
from tests.unit.test_spec_look import MP4, refused
from workflows.errors import InvalidSpec

MEDIA = {MP4: probe(seconds="4", sound="4"), "https://example.com/a.mp3": probe(size=None, rate=None, sound="3")}


def made(*elements: dict[str, Any], **fields: Any) -> Any:
    return scene(*elements, media=MEDIA, frame_rate=10, **fields)


@pytest.mark.parametrize(
    ("fields", "frames"),
    [({"speed": 2}, 20), ({"speed": "50%"}, 80), ({"trim_duration": 1.5}, 15),
     ({"trim_start": 3, "trim_duration": 2}, 10),
     ({"trim_start": 1, "trim_duration": 2, "speed": 0.5}, 40)],
)  # fmt: skip
def test_the_length_is_what_is_played_by_the_speed(fields: dict[str, Any], frames: int) -> None:
    assert made(video(**fields)).frames == frames
    assert made(video(**fields, duration="media"), image(track=2, duration=9)).layers[0].frames == frames


def test_what_follows_on_a_track_follows_what_is_played() -> None:
    both = made(
        video(id="a", track=1, speed=4), video(id="b", track=1, trim_duration=1), image(id="c", track=1, duration=1)
    )
    assert [frames_of(both, name) for name in "abc"] == [(0, 10), (10, 20), (20, 30)]


def test_a_loop_fills_and_does_not_make_the_job_longer() -> None:
    job = made(video(id="v", loop=True, trim_duration=1), image(track=2, duration=7))
    assert job.frames == 70
    looped = layer_of(job, "v")
    assert (looped.frames, looped.lasts, looped.on_short) == (70, 10, "loop")
    heard = sound_of(job, "v")
    assert (heard.duration, heard.loop) == (7, 1)
    assert made(video(loop=True)).frames == 50  # alone, as long as a still


def test_on_short_matters_only_when_it_is_short() -> None:
    for word, lasts in (("loop", 40), ("black", None), ("freeze", None)):
        job = made(video(id="v", on_short=word, duration=6))
        assert (layer_of(job, "v").on_short, layer_of(job, "v").lasts) == (word, lasts)
    enough = made(video(id="v", on_short="loop", duration=4))
    assert layer_of(enough, "v").on_short == "freeze" and sound_of(enough, "v").loop is None
    assert sound_of(made(video(id="v", on_short="loop", duration=6)), "v").loop == 4
    assert sound_of(made(video(id="v", duration=6)), "v").duration == 4


def test_a_short_source_can_be_an_error() -> None:
    with pytest.raises(InvalidSpec) as caught:
        made(video(on_short="error", duration=4.2))
    assert [(p["path"], p["code"]) for p in caught.value.problems] == [("elements[0].on_short", "out_of_range")]
    assert "4.2 s" in caught.value.problems[0]["message"] and "lasts 4 s" in caught.value.problems[0]["message"]
    assert made(video(on_short="error", duration=4)).frames == 40
    assert scene(video(on_short="error", duration=99)).assumed  # not known yet


def test_sounds_have_speed_and_loops_too() -> None:
    job = made(audio(id="m", speed=2, loop=True, duration="end"), image(duration=9))
    heard = sound_of(job, "m")
    assert (heard.speed, heard.loop, heard.duration) == (2, Fraction(3, 2), 9)
    assert sound_of(made(audio(id="m", trim_duration=1, duration=5)), "m").duration == 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("speed", 0.09, "out_of_range"), ("speed", 11, "out_of_range"), ("loop", "yes", "invalid_type"),
     ("on_short", "stop", "invalid_value"), ("trim_duration", 0, "out_of_range")],
)  # fmt: skip
def test_faults_name_the_field(field: str, value: object, code: str) -> None:
    assert refused({"elements": [video(**{field: value})]}) == {f"elements[0].{field}": code}
