"""Durations that depend on others: percent of the job, and parts (fr) of what a track has left. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.footage import Footage, played
from workflows.spec.model import Element, JobSpec, Share

STILL_SECONDS = Fraction(5)
_ONE = Share(value=Fraction(1), unit="fr")

Row = tuple[int, Element]


def has_shares(spec: JobSpec) -> bool:
    """Whether any duration depends on others."""
    return any(isinstance(element.duration, Share) for element in spec.elements)


def without_shares(spec: JobSpec) -> JobSpec:
    """The job with relative durations as nothing: what is left says how long the job is."""
    none = Fraction(0)
    return replace(
        spec,
        elements=tuple(
            replace(one, duration=none) if isinstance(one.duration, Share) else one for one in spec.elements
        ),
    )


def settled(spec: JobSpec, footage: Mapping[str, Footage], length: Fraction) -> JobSpec:
    """The job with every relative duration in seconds. Raises InvalidSpec where nothing is left for an fr."""
    rows = [(index, _percent(element, length)) for index, element in enumerate(spec.elements)]
    done = dict(rows)
    for track in sorted({element.track for _, element in rows}):
        for run, until in _runs([row for row in rows if row[1].track == track], length):
            done.update(_shared(run, until, footage))
    return replace(spec, elements=tuple(done[index] for index in sorted(done)))


def _percent(element: Element, length: Fraction) -> Element:
    if isinstance(element.duration, Share) and element.duration.unit == "%":
        return replace(element, duration=element.duration.value * length / 100)
    return element


def _runs(track: Sequence[Row], length: Fraction) -> Iterator[tuple[list[Row], Fraction]]:
    """The elements that follow each other without a time of their own, and where they must end."""
    heads = [n for n, (_, element) in enumerate(track) if n == 0 or element.time is not None]
    for head, after in zip(heads, [*heads[1:], len(track)], strict=True):
        begin = _begin(track[head])
        later = [at for n in heads if (at := _begin(track[n])) > begin]
        yield list(track[head:after]), min([*later, length])


def _begin(row: Row) -> Fraction:
    return row[1].time or Fraction(0)


def _shared(run: Sequence[Row], until: Fraction, footage: Mapping[str, Footage]) -> dict[int, Element]:
    if not any(isinstance(element.duration, Share) for _, element in run):
        return {}
    last = run[-1][0]
    # Beside parts, an open last element, which would take all that is left, is one part.
    parts = {index: each for index, element in run if (each := _part(element, open_end=index == last))}
    taken = sum((_seconds(element, footage) for index, element in run if index not in parts), Fraction(0))
    left = until - _begin(run[0]) - taken
    if left <= 0:
        index, element = next(row for row in run if isinstance(row[1].duration, Share))
        message = f'No time is left on track {element.track} for "{element.id}".'
        raise InvalidSpec([problem(f"elements[{index}].duration", "out_of_range", message, "Give the job more time.")])
    one = left / sum(part.value for part in parts.values())
    return {index: replace(element, duration=parts[index].value * one) for index, element in run if index in parts}


def _part(element: Element, *, open_end: bool) -> Share | None:
    if isinstance(element.duration, Share):
        return element.duration
    return _ONE if element.duration is None and open_end else None


def _seconds(element: Element, footage: Mapping[str, Footage]) -> Fraction:
    if isinstance(element.duration, Fraction):
        return element.duration
    known = footage.get(element.id)
    if element.duration == "end":
        return Fraction(0)
    return (played(element, known) if known else None) or STILL_SECONDS
