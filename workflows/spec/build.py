"""From checked fields to a JobSpec: ids and tracks of elements that have none, automatic sizes, text styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any

from marshmallow import ValidationError

from workflows.spec.faults import Fault, rejected
from workflows.spec.model import NOTHING, Animation, Element, Filters, JobSpec, Length, Shadow, Stroke, TextStyle
from workflows.spec.outputs import settle

FULL = Length(value=Fraction(100), unit="%")
TEXT_FIELDS = tuple(one.name for one in fields(TextStyle))
STROKE_FIELDS = ("stroke_color", "stroke_width")
FILTER_FIELDS = tuple(one.name for one in fields(Filters))
SHADOW_FIELDS = ("shadow_color", "shadow_blur", "shadow_x", "shadow_y")

GROUPED = (*STROKE_FIELDS, *SHADOW_FIELDS, *FILTER_FIELDS)

Data = Mapping[str, Any]


def build(data: Data) -> JobSpec:
    """The JobSpec of a checked body. Raises ValidationError for ids and tracks that clash, and as `settle`."""
    rows: Sequence[Data] = data["elements"]
    ids, tracks = element_ids(rows), element_tracks(rows)
    elements = tuple(_element(row, id_, track) for row, id_, track in zip(rows, ids, tracks, strict=True))
    data = settle(data)
    rest = {key: value for key, value in data.items() if key not in ("elements", "expires_in")}
    return JobSpec(**rest, elements=elements, expires_in_s=data["expires_in"])


def element_ids(rows: Sequence[Data]) -> list[str]:
    """Each element's id; those without one are named `element_1`, `element_2`, … by position."""
    given = [row["id"] for row in rows]
    first = {name: index for index, name in reversed(list(enumerate(given)))}
    faults = {
        index: {
            "id": rejected(
                "duplicate", f'"{name}" is the id of elements[{first[name]}] too.', "Use another id."
            ).messages
        }
        for index, name in enumerate(given)
        if name is not None and first[name] != index
    }
    if faults:
        raise ValidationError({"elements": faults})
    return [name or _free(f"element_{index + 1}", first) for index, name in enumerate(given)]


def _free(name: str, taken: Mapping[str | None, int]) -> str:
    while name in taken:
        name += "_"
    return name


def element_tracks(rows: Sequence[Data]) -> list[int]:
    """Each element's track; one without gets its own, in front of all elements written before it."""
    given = {row["track"] for row in rows if row["track"] is not None}
    tracks: list[int] = []
    faults: dict[int, Any] = {}
    for index, row in enumerate(rows):
        tracks.append(row["track"] or max(tracks, default=0) + 1)
        if row["track"] is None and tracks[-1] in given:
            faults[index] = {"track": [_ambiguous(tracks[-1])]}
    if faults:
        raise ValidationError({"elements": faults})
    return tracks


def _ambiguous(track: int) -> Fault:
    message = f"Without a track this element goes to track {track}, which another element names as its own."
    return Fault(code="ambiguous_track", message=message, remedy="Write a track for this element.")


def _element(row: Data, id_: str, track: int) -> Element:
    written = TEXT_FIELDS if row["type"] == "text" else ("text",)
    plain = {key: value for key, value in row.items() if key not in (*written, *GROUPED)}
    width, height = _size(row)
    plain |= {
        "id": id_,
        "track": track,
        "width": width,
        "height": height,
        "animations": tuple(Animation(**one) for one in row.get("animations", ())),
        "filters": Filters(**{name: row[name] for name in FILTER_FIELDS if name in row}),
        "stroke": Stroke(**_named(row, "stroke_", STROKE_FIELDS)) if _has_stroke(row) else None,
        "shadow": Shadow(**_named(row, "shadow_", SHADOW_FIELDS)) if row.get("shadow_color") else None,
        "text": TextStyle(**{name: row[name] for name in TEXT_FIELDS}) if row["type"] == "text" else None,
    }
    for name in ("x", "y", "x_anchor", "y_anchor"):
        plain.setdefault(name, NOTHING)  # sound has no place
    return Element(**plain)


def _has_stroke(row: Data) -> bool:
    return bool(row.get("stroke_color")) and row["stroke_width"] > 0


def _named(row: Data, prefix: str, names: Sequence[str]) -> Data:
    return {name.removeprefix(prefix): row[name] for name in names}


def _size(row: Data) -> tuple[Length | None, Length | None]:
    """Width and height; pictures without either fill the canvas, with one of them they keep their aspect."""
    width, height = row.get("width"), row.get("height")
    if row["type"] in ("video", "image", "shape") and width is None and height is None:
        return FULL, FULL
    return width, height
