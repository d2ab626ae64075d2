"""The job's JSON, checked and typed: `load` is the only door from a client's body to a JobSpec.

`load` is a function of the body alone, so the ledger stores the body and loads it again whenever it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from workflows.errors import InvalidSpec
from workflows.spec.addresses import address
from workflows.spec.build import build
from workflows.spec.colors import color
from workflows.spec.elements import ELEMENT_SCHEMAS, ChromaKeySchema, CropSchema, identifier, schema_of
from workflows.spec.faults import problem, problems, rejected, shown
from workflows.spec.fields import Listed, Parsed, StrictSchema
from workflows.spec.model import JobSpec
from workflows.spec.outputs import MOST_CRF, OUTPUTS
from workflows.spec.plainjson import canonical, canonical_hash, unstorable
from workflows.spec.quantities import even, flag, frame_rate, scale, seconds, whole
from workflows.spec.words import word

__all__ = ["JobSchema", "canonical_hash", "load"]

MAX_ELEMENTS = 500
MAX_METADATA_BYTES = 16 * 1024
MAX_CANVAS = 7680 * 4320
LATER_FORMATS = ("hls",)
LATER_WORKFLOWS = ("resource_intensive", "distributed")
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")

QUALITIES = ("low", "medium", "high")


class QualitySchema(StrictSchema):
    """Encoder settings, where a word does not do. What is left out is the codec's own."""

    codec = Parsed(word(tuple(MOST_CRF)))
    preset = Parsed(word(PRESETS))
    crf = Parsed(whole(1, max(MOST_CRF.values())))


_QUALITY = QualitySchema()


def quality(value: Any) -> str | dict[str, Any]:
    """A word of QUALITIES, or an object {codec, preset, crf}; what it means depends on the format."""
    if isinstance(value, Mapping):
        return dict(_QUALITY.load(value))
    return str(word(QUALITIES)(value))


def metadata(value: Any) -> dict[str, Any]:
    """Any JSON object of at most 16 KiB; it comes back with the job's status and webhooks."""
    if not isinstance(value, Mapping):
        raise rejected("invalid_type", f"{shown(value)} is not an object.", "Write a JSON object: {…}.")
    size = len(canonical(value))
    if size > MAX_METADATA_BYTES:
        raise rejected("too_long", f"The metadata has {size} bytes.", f"Use at most {MAX_METADATA_BYTES}.")
    return dict(value)


def deadline(value: Any) -> datetime:
    """An ISO 8601 date-time with its offset, such as 2026-12-01T10:30:00Z. In UTC."""
    example = 'Write it as "2026-12-01T10:30:00Z".'
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError) as err:
        raise rejected("invalid_value", f"{shown(value)} is not a date-time.", example) from err
    if moment.tzinfo is None:
        raise rejected("invalid_value", f"{shown(value)} has no offset from UTC.", example)
    try:
        return moment.astimezone(UTC)
    except OverflowError as err:
        raise rejected("out_of_range", f"{shown(value)} is out of range.", example) from err


class JobSchema(StrictSchema):
    """A whole job."""

    later = frozenset({"compat", "fonts", "loudness", "template", "variables"})

    id = Parsed(identifier)
    output_format = Parsed(word(tuple(OUTPUTS), later=LATER_FORMATS), default="mp4")
    width = Parsed(even(16, 7680), default=1920)
    height = Parsed(even(16, 7680), default=1080)
    frame_rate = Parsed(frame_rate, default=30)
    duration = Parsed(seconds(above_zero=True))
    fill_color = Parsed(color, default="#000000")
    elements = Listed(schema_of, least=1, most=MAX_ELEMENTS, required=True)
    priority = Parsed(word(("low", "normal", "high", "critical")), default="normal")
    quality = Parsed(quality, default="medium")
    mode = Parsed(word(("auto", "sync", "async")), default="auto")
    workflow = Parsed(word(("auto", "quick_sync", "balanced_async"), later=LATER_WORKFLOWS), default="auto")
    deadline = Parsed(deadline)
    webhook_url = Parsed(address(("http", "https")))
    metadata = Parsed(metadata, default={})
    snapshot_time = Parsed(seconds())
    loop = Parsed(flag)
    render_scale = Parsed(scale, default=1)
    expires_in = Parsed(whole(60, 604800, unit=" s"))

    @validates_schema
    def _canvas(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["width"] * data["height"] > MAX_CANVAS:
            message = f"{data['width']}x{data['height']} has more pixels than 7680x4320."
            raise ValidationError({"width": rejected("out_of_range", message, "Use a smaller canvas.").messages})


_JOB = JobSchema()


def load(body: Mapping[str, Any]) -> JobSpec:
    """The job of a client's JSON body. Raises InvalidSpec with every fault found, each with path, code and remedy."""
    if not isinstance(body, Mapping):
        raise InvalidSpec([problem("", "invalid_type", "The body is not a JSON object.", "Send a JSON object: {…}.")])
    broken = list(unstorable(body))
    if broken:
        raise InvalidSpec(broken)
    try:
        return build(_JOB.load(body))
    except ValidationError as err:
        raise InvalidSpec(list(problems(err.messages))) from err


def field_table() -> dict[str, dict[str, fields.Field[Any]]]:
    """Every field by where it is written: "job", "quality", "animation", "crop", "chroma_key" and each element type."""
    tables: dict[str, dict[str, fields.Field[Any]]] = {"job": _JOB.fields, "quality": _QUALITY.fields}
    for kind, schema in ELEMENT_SCHEMAS.items():
        tables[kind] = schema().fields
    visual = tables["image"]["animations"]
    assert isinstance(visual, Listed)  # noqa: S101
    nested = {"animation": visual.schema_of(None), "crop": CropSchema(), "chroma_key": ChromaKeySchema()}
    return {**tables, **{name: schema.fields for name, schema in nested.items()}}
