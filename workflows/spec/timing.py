"""When each element plays: from times, durations and tracks to whole frames of the output.

Times are exact seconds until the very end; then each start and each end is rounded to the nearest frame, halves up.
Neighbours share a boundary, so nothing drifts however many elements follow each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.footage import Footage, played
from workflows.spec.model import Element, JobSpec
from workflows.spec.quantities import MAX_SECONDS
from workflows.spec.shares import STILL_SECONDS, has_shares, settled, without_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The frames of one element: the first, and the one after the last."""

    start: int
    end: int

    @property
    def frames(self) -> int:
        """How many there are; 0 for an element that the composition's end leaves no time."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When everything plays, in frames."""

    frames: int
    spans: Mapping[str, Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """An element with its start known, in seconds. `end` None = open, up to `cap` (the next start on its track)."""

    index: int
    element: Element
    start: Fraction
    end: Fraction | None
    cap: Fraction | None = None
    media_end: Fraction | None = None


def snap(seconds: Fraction, rate: Fraction) -> int:
    """The nearest frame boundary, halves up."""
    return math.floor(seconds * rate + Fraction(1, 2))


def schedule(spec: JobSpec, footage: Mapping[str, Footage]) -> Schedule:
    """The frames of every element and of the whole. Raises InvalidSpec for overlaps on a track and for over 6 h."""
    if has_shares(spec):
        spec = settled(spec, footage, spec.duration or _content_length(_slots(without_shares(spec), footage)))
    slots = _slots(spec, footage)
    length = spec.duration or _content_length(slots)
    if length > MAX_SECONDS:
        message = f"The elements last {float(length):g} s; up to {MAX_SECONDS} s are possible."
        raise InvalidSpec([problem("duration", "out_of_range", message, "Give the job a duration.")])
    frames = max(1, snap(length, spec.frame_rate))
    spans = {slot.element.id: _span(slot, length, frames, spec.frame_rate) for slot in slots}
    faults = [fault for track in _tracks(spec) for fault in _overlaps(track, spans, spec.frame_rate)]
    if faults:
        raise InvalidSpec(faults)
    return Schedule(frames=frames, spans=spans)


_Track = list[tuple[int, Element]]


def _slots(spec: JobSpec, footage: Mapping[str, Footage]) -> list[_Slot]:
    return [slot for track in _tracks(spec) for slot in _capped(_chained(track, footage))]


def _tracks(spec: JobSpec) -> list[_Track]:
    numbered = sorted(enumerate(spec.elements), key=lambda pair: pair[1].track)
    return [list(group) for _, group in groupby(numbered, key=lambda pair: pair[1].track)]


def _chained(track: _Track, footage: Mapping[str, Footage]) -> list[_Slot]:
    """The track's slots in definition order: without a time, an element follows the one written before it."""
    slots: list[_Slot] = []
    followers = [after.time is None for _, (_, after) in pairwise(track)] + [False]
    for (index, element), followed in zip(track, followers, strict=True):
        start = element.time if element.time is not None else _end_of_last(slots, index)
        slots.append(_slot(index, element, start, footage.get(element.id), followed=followed))
    return slots


def _end_of_last(slots: Sequence[_Slot], index: int) -> Fraction:
    if not slots:
        return Fraction(0)
    last = slots[-1]
    if last.end is None:
        message = f'No time is left after "{last.element.id}", which lasts to the end on the same track.'
        raise InvalidSpec([problem(f"elements[{index}].time", "overlap", message, "Use another track, or a duration.")])
    return last.end


def _slot(index: int, element: Element, start: Fraction, footage: Footage | None, *, followed: bool) -> _Slot:
    length = played(element, footage) if footage else None
    media_end = None if length is None else start + length
    end: Fraction | None = None
    if isinstance(element.duration, Fraction):
        end = start + element.duration
    elif element.duration == "media":
        end = media_end
    elif element.duration is None and followed:
        end = media_end or start + STILL_SECONDS
    # What loops has no end of its own, and so does not make the job longer.
    return _Slot(index=index, element=element, start=start, end=end, media_end=None if element.loop else media_end)


def _capped(slots: Sequence[_Slot]) -> Iterator[_Slot]:
    """Open slots end where the next element of the track starts; "end" means the end, whatever follows."""
    for slot in slots:
        later = [other.start for other in slots if other.start > slot.start]
        cap = min(later, default=None) if slot.end is None and slot.element.duration is None else None
        yield _Slot(
            index=slot.index, element=slot.element, start=slot.start, end=slot.end, cap=cap, media_end=slot.media_end
        )


def _content_length(slots: Sequence[_Slot]) -> Fraction:
    """The end of the last element that has one of its own; open ones that start later than that last 5 s."""
    ends = [end for slot in slots if (end := _own_end(slot)) is not None]
    length = max(ends, default=Fraction(0))
    late = [slot.start for slot in slots if _own_end(slot) is None and slot.start >= length]
    return max(late) + STILL_SECONDS if late else length or STILL_SECONDS


def _own_end(slot: _Slot) -> Fraction | None:
    if slot.end is not None or slot.cap is not None:
        return slot.end or slot.cap
    return slot.media_end if slot.element.duration is None else None


def _span(slot: _Slot, length: Fraction, frames: int, rate: Fraction) -> Span:
    end = min(edge for edge in (slot.end, slot.cap, length) if edge is not None)
    start = min(snap(slot.start, rate), frames)
    return Span(start=start, end=max(start, min(snap(end, rate), frames)))


def _overlaps(track: _Track, spans: Mapping[str, Span], rate: Fraction) -> Iterator[dict[str, Any]]:
    playing = sorted((pair for pair in track if spans[pair[1].id].frames), key=lambda pair: spans[pair[1].id].start)
    before: Element | None = None
    for index, element in playing:
        span = spans[element.id]
        if before and spans[before.id].end > span.start:
            yield _overlap(index, element, before, spans, rate)
        if before is None or spans[before.id].end < span.end:
            before = element


def _overlap(
    index: int, element: Element, before: Element, spans: Mapping[str, Span], rate: Fraction
) -> dict[str, Any]:
    start, end = (float(round(frame / rate, 3)) for frame in (spans[element.id].start, spans[before.id].end))
    message = (
        f'"{element.id}" starts at {start:g} s on track {element.track}, where "{before.id}" plays until {end:g} s.'
    )
    remedy = f"Give one of them another track, or start at {end:g} s."
    return problem(f"elements[{index}].time", "overlap", message, remedy)
