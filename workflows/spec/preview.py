"""A preview: the job that shows one moment of another job as a small PNG. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from marshmallow import ValidationError, validates_schema

from workflows.errors import InvalidSpec
from workflows.spec.faults import join, problem, problems, rejected, shown
from workflows.spec.fields import Parsed, StrictSchema
from workflows.spec.model import JobSpec
from workflows.spec.quantities import MAX_PX, seconds, whole
from workflows.spec.schema import load

WIDTH = 960  # px, of a picture for a screen's corner
KEPT_S = 300  # a preview is seen once
# What the job says of its own result, which is not what is made here.
REPLACED = ("id", "deadline", "expires_in", "loop", "quality", "webhook_url", "workflow")
SMALLEST = Fraction(1, 100)  # of a job's own width


def whole_job(value: Any) -> Mapping[str, Any]:
    """A JSON object; what is in it is checked as a job of its own."""
    if not isinstance(value, Mapping):
        raise rejected("invalid_type", f"{shown(value)} is not an object.", "Write the job: {…}.")
    return value


class PreviewSchema(StrictSchema):
    """What to show: a job, and the moment in seconds or as a frame."""

    job = Parsed(whole_job, required=True)
    time = Parsed(seconds())
    frame = Parsed(whole(0, 10**7))
    max_width = Parsed(whole(16, MAX_PX, unit=" px"), default=WIDTH)

    @validates_schema
    def _one_moment(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["time"] is not None and data["frame"] is not None:
            fault = rejected("not_applicable", "The moment is given twice.", "Keep either time or frame.")
            raise ValidationError({"frame": fault.messages})


_PREVIEW = PreviewSchema()


def preview_job(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the job to run for a preview's body. Raises InvalidSpec, with paths as the client wrote them."""
    try:
        asked = _PREVIEW.load(body)
    except ValidationError as err:
        raise InvalidSpec(list(problems(err.messages))) from err
    try:
        spec = load(asked["job"])
    except InvalidSpec as err:
        raise InvalidSpec([{**one, "path": join("job", one["path"]).rstrip(".")} for one in err.problems]) from err
    kept = {name: value for name, value in asked["job"].items() if name not in REPLACED}
    return kept | {
        "output_format": "png",
        "snapshot_time": _written(_moment(asked, spec)),
        "render_scale": _written(_scale(spec, asked["max_width"])),
        "mode": "sync",
        "workflow": "quick_sync",
        "expires_in": KEPT_S,
    }


def as_asked(found: Iterable[Mapping[str, Any]], body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The problems of the job that `preview_job` made, with their paths in the preview's own body."""
    moment = "frame" if body.get("frame") is not None else "time"
    for one in found:
        path = moment if one["path"] == "snapshot_time" else join("job", str(one["path"]))
        yield problem(path, one["code"], one["message"], one["remedy"])


def _moment(asked: Mapping[str, Any], spec: JobSpec) -> Fraction:
    """Seconds. A frame is named by its middle, which no rounding moves to another."""
    if asked["frame"] is not None:
        return Fraction(2 * asked["frame"] + 1, 2) / spec.frame_rate
    return Fraction(asked["time"] or 0)


def _scale(spec: JobSpec, width: int) -> Fraction:
    return max(SMALLEST, min(Fraction(1), Fraction(width, spec.width)))


def _written(number: Fraction) -> float:
    return round(float(number), 9)
