"""What each output format takes of a job, refuses, and makes of its timeline."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.unit.scene_samples import audio, image, job, probe, text, video
from workflows.analysis.analyse import analyse
from workflows.errors import InvalidSpec
from workflows.spec.media import MediaInfo
from workflows.spec.outputs import made
from workflows.spec.schema import load
from workflows.spec.timeline import Timeline, resolve


def result(body: dict[str, object], media: dict[str, MediaInfo] | None = None) -> Timeline:
    spec = load(body)
    return made(spec, resolve(spec, media or {}))


def problem_of(body: dict[str, object], media: dict[str, MediaInfo] | None = None) -> tuple[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        result(body, media)
    [found] = caught.value.problems
    return found["path"], found["code"]


@pytest.mark.parametrize(
    ("name", "quality", "codec", "preset", "crf"),
    [
        ("mp4", "medium", "h264", "veryfast", 21),
        ("mp4", {"codec": "h265"}, "h265", "veryfast", 26),
        ("mp4", {"codec": "av1", "crf": 60}, "av1", "veryfast", 60),
        ("mp4", {"preset": "slow"}, "h264", "slow", 21),
        ("webm", "high", "vp9", "faster", 25),
        ("webm", {"crf": 40}, "vp9", "veryfast", 40),
        ("jpg", "low", "jpeg", "veryfast", 8),
        ("mov", "high", "prores", "veryfast", 0),
    ],
)
def test_quality_is_the_codecs_own(name: str, quality: object, codec: str, preset: str, crf: int) -> None:
    found = load(job(video(), output_format=name, quality=quality)).quality
    assert (found.codec, found.preset, found.crf) == (codec, preset, crf)


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"output_format": "webm", "quality": {"codec": "h264"}}, "quality.codec", "not_applicable"),
        ({"output_format": "mp4", "quality": {"codec": "vp9"}}, "quality.codec", "not_applicable"),
        ({"output_format": "mp4", "quality": {"crf": 52}}, "quality.crf", "out_of_range"),
        ({"output_format": "webm", "quality": {"crf": 64}}, "quality.crf", "out_of_range"),
        ({"output_format": "gif", "quality": {"crf": 20}}, "quality", "not_applicable"),
        ({"output_format": "mp3", "quality": {"preset": "slow"}}, "quality", "not_applicable"),
        ({"output_format": "mp4", "snapshot_time": 1}, "snapshot_time", "not_applicable"),
        ({"output_format": "png", "loop": True}, "loop", "not_applicable"),
        ({"output_format": "gif", "loop": "yes"}, "loop", "invalid_type"),
        ({"render_scale": 2}, "render_scale", "out_of_range"),
        ({"render_scale": "0.9%"}, "render_scale", "out_of_range"),
        ({"output_format": "png", "snapshot_time": 2, "duration": 2}, "snapshot_time", "out_of_range"),
        ({"output_format": "mp4", "fill_color": "transparent"}, "fill_color", "invalid_value"),
        ({"output_format": "gif", "fill_color": "#12345678"}, "fill_color", "invalid_value"),
        ({"output_format": "mp3"}, "output_format", "no_sound"),
        ({"output_format": "wav"}, "output_format", "no_sound"),
    ],
)
def test_what_a_format_cannot_do_is_refused(fields: dict[str, object], path: str, code: str) -> None:
    assert problem_of(job(text(), **fields)) == (path, code)


@pytest.mark.parametrize(
    ("asked", "given"),
    [(30, "25"), (25, "25"), (24, "20"), (29.97, "25"), (15, "100/7"), (10, "10"), (1, "1"), (60, "25")],
)
def test_a_gif_has_a_rate_that_it_can_count(asked: float, given: str) -> None:
    assert load(job(text(), output_format="gif", frame_rate=asked)).frame_rate == Fraction(given)


def test_a_still_is_the_frame_on_screen_at_its_time() -> None:
    late = text(id="late", time=3, duration=2)
    for time, seen in ((2.99, []), (3, ["late"]), ("4.9999", ["late"]), (5, [])):
        still = result(job(late, duration=6, output_format="png", snapshot_time=time, frame_rate=10))
        assert ([layer.element_id for layer in still.layers], still.frames, still.sounds) == (seen, 1, ())


def test_a_time_past_an_assumed_length_is_judged_once_the_length_is_known() -> None:
    body = job(video(), output_format="jpg", snapshot_time=15)
    assert result(body).frames == 1
    known = {"https://example.com/a.mp4": probe(seconds="12")}
    assert problem_of(body, known) == ("snapshot_time", "out_of_range")
    assert result(body, {"https://example.com/a.mp4": probe(seconds="20", sound="20")}).frames == 1


def test_sound_alone_has_no_picture_and_silence_is_no_sound() -> None:
    timeline = result(job(video(), audio(), output_format="mp3"))
    assert (timeline.width, timeline.layers, len(timeline.sounds)) == (0, (), 2)
    assert problem_of(job(audio(volume=0), output_format="mp3")) == ("output_format", "no_sound")
    silent = {"https://example.com/a.mp4": probe(sound=None)}
    assert problem_of(job(video(), output_format="wav"), silent) == ("output_format", "no_sound")


def test_a_gif_is_silent_and_a_video_is_not() -> None:
    assert result(job(video(), output_format="gif")).sounds == ()
    assert len(result(job(video(), output_format="webm")).sounds) == 1


def test_render_scale_makes_the_result_smaller_and_even() -> None:
    assert result(job(text(), render_scale="25%")).output_size == (480, 270)
    assert result(job(text(), width=100, height=50, render_scale=0.33)).output_size == (34, 16)
    assert result(job(text())).output_size == (1920, 1080)


def test_a_still_and_sound_alone_cost_little_and_dear_codecs_much() -> None:
    def cost(**fields: object) -> tuple[float, int]:
        spec = load(job(video(duration=10), image(duration=10), **fields))
        estimate = analyse(made(spec, resolve(spec, {})), spec.quality).estimate
        return estimate.p50_s, estimate.disk_bytes

    usual = cost()
    assert cost(output_format="png", snapshot_time=3)[0] < 1.0 < usual[0]
    assert cost(output_format="mp3")[0] < 1.0
    assert cost(output_format="webm")[0] > 2 * usual[0]
    assert cost(output_format="mov")[1] > 5 * usual[1]


def test_a_still_within_a_fade_is_charged_for_its_one_frame() -> None:
    fade = {"animations": [{"type": "fade", "time": "end", "duration": 10}]}
    body = job(video(duration=10, **fade), duration=10, output_format="png", snapshot_time=9)
    spec = load(body)
    timeline = made(spec, resolve(spec, {}))
    assert timeline.layers[0].frames > 1  # the fade counts from its beginning
    one = analyse(timeline, spec.quality).features
    assert one.decode_mpx == pytest.approx(1920 * 1080 / 1e6)
    assert one == analyse(replace(timeline, frames=1), spec.quality).features


@pytest.mark.parametrize("name", ["webm", "mov", "png"])
def test_what_has_an_alpha_plane_may_be_see_through(name: str) -> None:
    assert load(job(text(), output_format=name, fill_color="transparent")).fill_color == "#00000000"
    assert load(job(text(), output_format=name, fill_color="navy")).fill_color == "#000080"
