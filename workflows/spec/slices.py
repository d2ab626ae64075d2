"""A part of a timeline that gives the very pictures and sounds of the whole between two frames. Pure.

A layer keeps its own time: one that began before the slice starts at a negative frame, so that its fades go on, its
source plays on from the same place and a tail that stands still stands still. What lies outside the slice and changes
nothing in it is cut away, so that equal slices of different timelines are equal values.
"""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

from workflows.spec.timeline import Layer, Sound, Timeline

# What `_trimmed` knows how to cut. A layer with any other property is only moved: its changes count in its own time.
_PLAIN = frozenset(
    {"element_id", "kind", "source", "start", "frames", "box", "fit", "opacity", "trim_start", "fade_in", "fade_out"}
    | {"text"}
)


def slice_timeline(timeline: Timeline, start: int, frames: int) -> Timeline:
    """The frames [start, start + frames) as a timeline of their own.

    Sounds are exact to the sample where a frame is a whole number of samples, else (29.97 and its kin) within one: a
    whole result has one mix, never joined slices. Raises ValueError for frames the timeline does not have.
    """
    if start < 0 or frames < 1 or start + frames > timeline.frames:
        raise ValueError(f"no frames {start} to {start + frames - 1} in a timeline of {timeline.frames}")
    moved = (replace(layer, start=layer.start - start) for layer in timeline.layers)
    heard = (_moved(sound, start / timeline.frame_rate) for sound in timeline.sounds)
    return replace(
        timeline,
        frames=frames,
        layers=tuple(_trimmed(layer, frames, timeline.frame_rate) for layer in moved if _touches(layer, frames)),
        sounds=tuple(sound for sound in heard if _is_heard(sound, frames / timeline.frame_rate)),
    )


def _touches(layer: Layer, frames: int) -> bool:
    return layer.start < frames and layer.start + layer.frames > 0


def _trimmed(layer: Layer, frames: int, rate: Fraction) -> Layer:
    """Without the frames outside, but those that a fade which is not over counts from or to."""
    if any(getattr(layer, each.name) != each.default for each in fields(Layer) if each.name not in _PLAIN):
        return layer
    before, after = max(0, -layer.start), max(0, layer.start + layer.frames - frames)
    fade_in = layer.fade_in if layer.fade_in > before else 0
    # The frame at which a fade out begins is still whole.
    fade_out = layer.fade_out if layer.fade_out - 1 > after else 0
    before = 0 if fade_in else min(before, layer.frames - fade_out)
    after = 0 if fade_out else min(after, layer.frames - before - fade_in)
    return replace(
        layer,
        start=layer.start + before,
        frames=layer.frames - before - after,
        trim_start=layer.trim_start + (before / rate if layer.kind == "video" else 0),
        fade_in=fade_in,
        fade_out=fade_out,
    )


def _moved(sound: Sound, by: Fraction) -> Sound:
    return replace(sound, start=sound.start - by)


def _is_heard(sound: Sound, duration: Fraction) -> bool:
    return sound.start < duration and sound.start + sound.duration > 0
