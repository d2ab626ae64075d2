"""When elements play: sequencing, filling, clipping, and the frame grid."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scene_samples import (
    URL,
    audio,
    example,
    frames_of,
    image,
    job,
    layer_of,
    probe,
    scene,
    sound_of,
    text,
    video,
)
from workflows.errors import InvalidSpec
from workflows.spec.schema import load
from workflows.spec.timeline import resolve
from workflows.spec.timing import snap

MP4, PNG, MP3 = f"{URL}.mp4", f"{URL}.png", f"{URL}.mp3"


def overlaps(*elements: dict[str, object], **fields: object) -> list[dict[str, str]]:
    with pytest.raises(InvalidSpec) as caught:
        scene(*elements, **fields)  # type: ignore[arg-type]
    assert {problem["code"] for problem in caught.value.problems} == {"overlap"}
    return caught.value.problems


def test_the_yardstick_resolves_to_its_numbers() -> None:
    timeline = resolve(load(example("reference")), {})
    assert timeline.frames == 300
    assert frames_of(timeline, "background") == frames_of(timeline, "inset") == frames_of(timeline, "logo") == (0, 300)
    assert frames_of(timeline, "title") == (30, 180)
    assert (layer_of(timeline, "title").fade_in, layer_of(timeline, "title").fade_out) == (30, 0)
    assert [sound.element_id for sound in timeline.sounds] == ["background", "music"]
    assert [(sound.volume, sound.fade_out) for sound in timeline.sounds] == [(1.0, 2), (0.3, 2)]
    assert layer_of(timeline, "logo").opacity == 0.5


def test_elements_of_one_track_follow_each_other() -> None:
    timeline = scene(*(text(track=1, duration=seconds) for seconds in (1, 2.5, 0.5)), frame_rate=10)
    assert [frames_of(timeline, f"element_{n}") for n in (1, 2, 3)] == [(0, 10), (10, 35), (35, 40)]
    assert timeline.frames == 40


def test_without_a_time_an_element_follows_the_one_written_before_it() -> None:
    timeline = scene(
        text(track=1, time=4, duration=1), text(track=2, duration=2), text(track=1, duration=3), frame_rate=10
    )
    assert [frames_of(timeline, f"element_{n}") for n in (1, 2, 3)] == [(40, 50), (0, 20), (50, 80)]


def test_a_still_alone_lasts_five_seconds() -> None:
    assert scene(image()).frames == 150
    assert frames_of(scene(text(time=3)), "element_1") == (90, 240)


def test_open_stills_last_five_seconds_past_the_last_start() -> None:
    timeline = scene(text(time=1), text(time=4), frame_rate=10)
    assert [frames_of(timeline, name) for name in ("element_1", "element_2")] == [(10, 90), (40, 90)]
    assert scene(text(duration=2), text(time=2), frame_rate=10).frames == 70


def test_an_open_still_fills_the_length_that_others_give() -> None:
    timeline = scene(image(), text(duration=2), frame_rate=10)
    assert (timeline.frames, frames_of(timeline, "element_1")) == (20, (0, 20))


def test_open_elements_end_where_the_next_on_their_track_starts() -> None:
    timeline = scene(image(track=1), text(track=1, time=3, duration=4), frame_rate=10)
    assert [frames_of(timeline, name) for name in ("element_1", "element_2")] == [(0, 30), (30, 70)]


def test_open_elements_followed_by_one_without_a_time_last_their_media_or_five_seconds() -> None:
    media = {MP4: probe(seconds="7", frames=210)}
    timeline = scene(
        video(track=1, trim_start=1), image(track=1), text(track=1, duration=1), media=media, frame_rate=10
    )
    assert [frames_of(timeline, f"element_{n}") for n in (1, 2, 3)] == [(0, 60), (60, 110), (110, 120)]


def test_a_video_gives_its_length_to_the_job_and_open_ones_stretch_to_the_longest() -> None:
    media = {MP4: probe(seconds="4", frames=120), f"{URL}2.mp4": probe(seconds="6", frames=180)}
    timeline = scene(video(), video(source=f"{URL}2.mp4"), image(), media=media)
    assert timeline.frames == 180
    assert {(layer.start, layer.frames) for layer in timeline.layers} == {(0, 180)}


def test_media_means_what_is_left_of_the_file() -> None:
    media = {MP4: probe(seconds="10", frames=300)}
    assert frames_of(scene(video(duration="media", trim_start=4), media=media), "element_1") == (0, 180)


def test_end_fills_and_never_makes_the_job_longer() -> None:
    media = {MP3: probe(size=None, seconds="60", sound="60")}
    timeline = scene(text(duration=3), audio(duration="end"), media=media)
    assert timeline.frames == 90
    assert sound_of(timeline, "element_2").duration == 3


def test_an_open_sound_gives_its_length_too() -> None:
    media = {MP3: probe(size=None, seconds="60", sound="60")}
    assert scene(text(duration=3), audio(), media=media).frames == 1800


def test_a_fixed_length_cuts_what_is_longer_and_keeps_what_starts_later_without_frames() -> None:
    timeline = scene(
        text(duration=9), text(time=2), text(time=7, duration=1), audio(duration=9), duration=4, frame_rate=10
    )
    assert timeline.frames == 40
    assert [frames_of(timeline, f"element_{n}") for n in (1, 2, 3)] == [(0, 40), (20, 40), (40, 40)]
    assert sound_of(timeline, "element_4").duration == 4


def test_a_job_has_at_least_one_frame() -> None:
    assert scene(text(duration=0.001)).frames == 1


def test_overlap_on_a_track_names_both_and_says_where() -> None:
    [problem] = overlaps(text(id="one", track=1, duration=4), text(id="two", track=1, time=3, duration=1))
    assert problem["path"] == "elements[1].time"
    assert '"one"' in problem["message"]
    assert '"two"' in problem["message"]
    assert "4 s" in problem["remedy"]


def test_overlap_is_judged_in_frames() -> None:
    timeline = scene(text(track=1, duration=1.004), text(track=1, time=1.001, duration=1), frame_rate=25)
    assert [frames_of(timeline, name) for name in ("element_1", "element_2")] == [(0, 25), (25, 50)]


def test_every_overlap_is_named_with_the_element_that_lasts_longest() -> None:
    rows = [text(id="long", track=1, duration=9), text(track=1, time=1, duration=1), text(track=1, time=5, duration=1)]
    found = overlaps(*rows)
    assert [problem["path"] for problem in found] == ["elements[1].time", "elements[2].time"]
    assert all('"long"' in problem["message"] for problem in found)


def test_the_end_is_the_end_even_where_another_follows() -> None:
    [problem] = overlaps(text(track=1, duration="end"), text(track=1, time=3, duration=1))
    assert problem["path"] == "elements[1].time"


def test_an_element_shorter_than_half_a_frame_overlaps_nothing() -> None:
    timeline = scene(text(track=1, duration=9), text(track=1, time=3, duration=0.001), frame_rate=10)
    assert frames_of(timeline, "element_2") == (30, 30)


def test_nothing_follows_an_element_that_lasts_to_the_end() -> None:
    [problem] = overlaps(text(id="one", track=1, duration="end"), text(track=1))
    assert problem["path"] == "elements[1].time"
    assert '"one"' in problem["message"]


def test_the_same_start_twice_on_a_track_is_an_overlap() -> None:
    overlaps(text(track=1, time=0), text(track=1, time=0))


def test_content_over_six_hours_is_refused() -> None:
    with pytest.raises(InvalidSpec) as caught:
        scene(text(time=21600, duration=10))
    assert caught.value.problems[0]["path"] == "duration"


def test_fades_are_counted_in_frames_and_never_outlast_their_element() -> None:
    fades = [{"type": "fade", "time": "start", "duration": 0.5}, {"type": "fade", "time": "end", "duration": 9}]
    layer = layer_of(scene(text(duration=2, animations=fades), frame_rate=24), "element_1")
    assert (layer.fade_in, layer.fade_out) == (12, 48)


def test_a_sound_ends_with_its_file_where_the_picture_freezes() -> None:
    media = {MP4: probe(seconds="4", frames=120, sound="3.99")}
    timeline = scene(video(duration=10, audio_fade_out=2), media=media)
    sound = sound_of(timeline, "element_1")
    assert (layer_of(timeline, "element_1").frames, sound.duration, sound.fade_out) == (300, 4, 2)


def test_fades_of_a_sound_never_outlast_it() -> None:
    sound = sound_of(scene(audio(audio_fade_in=8, audio_fade_out=9), duration=3), "element_1")
    assert (sound.fade_in, sound.fade_out) == (3, 3)


def test_silent_and_muted_videos_make_no_sound() -> None:
    media = {MP4: probe(sound=None)}
    assert scene(video(), media=media).sounds == ()
    assert scene(video(volume=0)).sounds == ()
    assert len(scene(video()).sounds) == 1


def test_a_video_cut_past_the_end_of_its_sound_makes_none() -> None:
    assert scene(video(trim_start=5), media={MP4: probe(sound="3")}).sounds == ()


def test_padding_of_the_sound_does_not_make_a_video_longer() -> None:
    assert scene(video(), media={MP4: probe(seconds="10.023", frames=300, sound="10.023")}).frames == 300


def test_sounds_that_are_longer_than_the_picture_count() -> None:
    assert scene(video(), media={MP4: probe(seconds="12", frames=300, sound="12")}).frames == 360


# The grid, against an independent computation in decimals.

RATES = st.sampled_from(["24", "25", "30", "60", "12.5", "30000/1001", "24000/1001"])
SECONDS = st.integers(1, 20_000).map(lambda thousandths: Decimal(thousandths) / 1000)


def grid(seconds: Decimal, rate: str) -> int:
    top, _, bottom = rate.partition("/")
    # 60 digits are exact enough: a tie needs seconds * rate = n + 1/2, which is exact for the rates that can have one.
    position = seconds * Decimal(top) / Decimal(bottom or 1)
    return int(position.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@given(SECONDS, RATES)
def test_snapping_rounds_to_the_nearest_frame_halves_up(seconds: Decimal, rate: str) -> None:
    assert snap(Fraction(seconds), Fraction(rate)) == grid(seconds, rate)


@settings(max_examples=60, deadline=None)
@given(st.lists(SECONDS, min_size=1, max_size=30), RATES)
def test_a_sequence_covers_the_grid_without_gaps_or_drift(durations: list[Decimal], rate: str) -> None:
    timeline = scene(*(text(track=1, duration=str(seconds)) for seconds in durations), frame_rate=rate)
    edges = [0] + [grid(sum(durations[: n + 1], Decimal(0)), rate) for n in range(len(durations))]
    edges = [min(edge, max(1, edges[-1])) for edge in edges]
    assert timeline.frames == max(1, edges[-1])
    assert [frames_of(timeline, f"element_{n + 1}") for n in range(len(durations))] == list(pairwise(edges))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=2, max_size=6), st.integers(10, 60))
def test_overlaps_are_found_exactly_where_two_elements_share_a_frame(spans: list[tuple[int, int]], length: int) -> None:
    shown = [set(range(min(start, length), min(start + frames, length))) for start, frames in spans]
    clash = any(first & second for n, first in enumerate(shown) for second in shown[n + 1 :])
    elements = [text(track=1, time=start / 10, duration=frames / 10) for start, frames in spans]
    try:
        timeline = scene(*elements, duration=length / 10, frame_rate=10)
    except InvalidSpec as err:
        assert clash, err.problems
    else:
        assert not clash
        assert [set(range(*frames_of(timeline, f"element_{n + 1}"))) for n in range(len(spans))] == shown


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.none() | st.integers(1, 30)), min_size=1, max_size=8))
def test_everything_stays_within_the_timeline(rows: list[tuple[int, int | None]]) -> None:
    timeline = scene(*(text(track=track, duration=duration) for track, duration in rows), frame_rate=10)
    assert len(timeline.layers) == len(rows)
    assert max(layer.start + layer.frames for layer in timeline.layers) == timeline.frames
    assert all(layer.start >= 0 and layer.frames >= 0 for layer in timeline.layers)


def test_loading_the_same_body_resolves_to_the_same_timeline() -> None:
    body = job(video(), text(track=7, duration=3))
    assert resolve(load(body), {}) == resolve(load(body), {})
