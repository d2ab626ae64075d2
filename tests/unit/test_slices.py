"""A slice is the smallest timeline that gives its pictures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.unit.scene_samples import scene as resolved
from tests.unit.scene_samples import text, video
from workflows.spec.slices import slice_timeline
from workflows.spec.timeline import Timeline


@pytest.fixture
def scene() -> Timeline:
    """Ten seconds at 30 frames a second: a video from 2 s to 8 s with its sound, and a title that fades in and out."""
    fades = [{"type": "fade", "time": end, "duration": 1} for end in ("start", "end")]
    clip = video(id="clip", time=2, duration=6, trim_start=1)
    return resolved(clip, text(id="title", time=0, duration=10, animations=fades), duration=10)


def test_a_layer_is_cut_to_the_slice_and_its_source_starts_later(scene: Timeline) -> None:
    part = slice_timeline(scene, 90, 30)
    clip = next(layer for layer in part.layers if layer.element_id == "clip")
    assert (clip.start, clip.frames, clip.trim_start) == (0, 30, Fraction(2))
    assert (part.frames, part.duration) == (30, 1)


def test_a_fade_that_is_not_over_keeps_its_own_time(scene: Timeline) -> None:
    def title(start: int, frames: int) -> tuple[int, int, int, int]:
        found = next(layer for layer in slice_timeline(scene, start, frames).layers if layer.element_id == "title")
        return found.start, found.frames, found.fade_in, found.fade_out

    assert title(10, 50) == (-10, 60, 30, 0)  # in the fade in, which began 10 frames before
    assert title(30, 100) == (0, 100, 0, 0)  # between the two
    assert title(280, 20) == (-10, 30, 0, 30)  # in the fade out, which began 10 frames before
    assert title(0, 300) == (0, 300, 30, 30)


def test_what_is_not_in_the_slice_is_left_out(scene: Timeline) -> None:
    early = slice_timeline(scene, 0, 60)
    assert [layer.element_id for layer in early.layers] == ["title"]
    assert early.sounds == ()
    late = slice_timeline(scene, 239, 1)
    assert {layer.element_id for layer in late.layers} == {"clip", "title"}


def test_a_sound_keeps_its_own_time(scene: Timeline) -> None:
    [heard] = slice_timeline(scene, 90, 30).sounds
    assert (heard.start, heard.duration, heard.trim_start) == (-1, 6, 1)


def test_equal_slices_of_different_timelines_are_equal(scene: Timeline) -> None:
    """A change outside the slice is no change: what is already rendered can be used again."""
    longer = replace(scene, layers=tuple(replace(each, frames=each.frames + 5) for each in scene.layers[:1]))
    assert slice_timeline(longer, 90, 60).layers == slice_timeline(scene, 90, 60).layers[:1]


@pytest.mark.parametrize(("start", "frames"), [(-1, 5), (0, 0), (290, 11), (300, 1)])
def test_frames_that_are_not_there_are_refused(start: int, frames: int, scene: Timeline) -> None:
    with pytest.raises(ValueError, match="no frames"):
        slice_timeline(scene, start, frames)
