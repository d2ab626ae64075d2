"""What each output format holds, and what of a job's timeline goes into it. Pure. One line a format.

How a codec reads on FFmpeg's command line is the render's to know; what it costs, the analysis'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from marshmallow import ValidationError

from workflows.errors import InvalidSpec
from workflows.spec.colors import opaque_color
from workflows.spec.faults import problem, rejected
from workflows.spec.model import JobSpec, Quality
from workflows.spec.slices import slice_timeline
from workflows.spec.timeline import Timeline
from workflows.spec.words import listed

GIF_CLOCK = 100  # a GIF counts hundredths of a second
GIF_FASTEST = 25  # frames a second; browsers slow down what is near their own limit of 50

ONE_PALETTE_PIXELS = 64_000_000  # of all frames of a GIF together: until its palette is known it keeps them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a file of one format holds. `codecs` are those of its picture, the usual one first."""

    content_type: str
    codecs: tuple[str, ...] = ()
    picture: Literal["moving", "still", "none"] = "moving"
    sound: bool = True
    alpha: bool = False  # whether the picture may be see-through


OUTPUTS: Mapping[str, Output] = {
    "mp4": Output(content_type="video/mp4", codecs=("h264", "h265", "av1")),
    "webm": Output(content_type="video/webm", codecs=("vp9",), alpha=True),
    "mov": Output(content_type="video/quicktime", codecs=("prores",), alpha=True),
    "gif": Output(content_type="image/gif", codecs=("gif",), sound=False),
    "png": Output(content_type="image/png", codecs=("png",), picture="still", sound=False, alpha=True),
    "jpg": Output(content_type="image/jpeg", codecs=("jpeg",), picture="still", sound=False),
    "mp3": Output(content_type="audio/mpeg", codecs=("mp3",), picture="none"),
    "wav": Output(content_type="audio/wav", codecs=("wav",), picture="none"),
}

# Codec -> what the words low, medium and high mean: preset (x264's words; others by nearest speed) and CRF.
# Of jpeg the second is the quantiser scale, 2 (best) to 31. The rest have one quality.
Grades = Mapping[str, tuple[str, int]]
GRADES: Mapping[str, Grades] = {
    "h264": {"low": ("superfast", 27), "medium": ("veryfast", 21), "high": ("medium", 18)},
    "h265": {"low": ("superfast", 31), "medium": ("veryfast", 26), "high": ("medium", 22)},
    "av1": {"low": ("superfast", 45), "medium": ("veryfast", 35), "high": ("fast", 27)},
    "vp9": {"low": ("superfast", 42), "medium": ("veryfast", 33), "high": ("faster", 25)},
    "jpeg": {"low": ("veryfast", 8), "medium": ("veryfast", 4), "high": ("veryfast", 2)},
}
FIXED: Grades = dict.fromkeys(("low", "medium", "high"), ("veryfast", 0))
MOST_CRF = {"h264": 51, "h265": 51, "av1": 63, "vp9": 63}  # codecs with settings of their own


def settle(data: Mapping[str, Any]) -> dict[str, Any]:
    """A job's checked fields with those that depend on the output format settled.

    Raises ValidationError for fields and settings the format has no use for.
    """
    name = data["output_format"]
    output = OUTPUTS[name]
    for field, of in (("snapshot_time", output.picture == "still"), ("loop", name == "gif")):
        if data[field] is not None and not of:
            fault = rejected("not_applicable", f'"{field}" does not apply to {name}.', "Remove it.")
            raise ValidationError({field: fault.messages})
    _check_fill(data["fill_color"], name)
    settled = {"quality": _quality(data["quality"], name), "loop": data["loop"] is not False}
    rate = gif_rate(data["frame_rate"]) if name == "gif" else data["frame_rate"]
    return {**data, **settled, "frame_rate": rate, "snapshot_time": data["snapshot_time"] or Fraction(0)}


def _check_fill(color: str, name: str) -> None:
    if OUTPUTS[name].alpha:
        return
    try:
        opaque_color(color)
    except ValidationError as err:
        raise ValidationError({"fill_color": err.messages}) from err


def gif_rate(rate: Fraction) -> Fraction:
    """The nearest rate from below that a GIF can have: 25, 20, 16.67, 14.29, 12.5, … frames a second."""
    return Fraction(GIF_CLOCK, math.ceil(GIF_CLOCK / min(rate, Fraction(GIF_FASTEST))))


def _quality(asked: str | Mapping[str, Any], name: str) -> Quality:
    """The encoder's settings: a word's, or those written with the codec's own for what is left out."""
    given = {} if isinstance(asked, str) else asked
    codecs = OUTPUTS[name].codecs
    codec = given.get("codec") or codecs[0]
    if codec not in codecs or (given and codec not in MOST_CRF):
        raise _misplaced(codec, name)
    preset, crf = GRADES.get(codec, FIXED)[asked if isinstance(asked, str) else "medium"]
    found = Quality(codec=codec, preset=given.get("preset") or preset, crf=given.get("crf") or crf)
    if given and found.crf > MOST_CRF[codec]:
        words = f"{found.crf} is out of range: {codec} has a CRF from 1 to {MOST_CRF[codec]}."
        raise ValidationError({"quality": {"crf": rejected("out_of_range", words, "Use a smaller one.").messages}})
    return found


def _misplaced(codec: str, name: str) -> ValidationError:
    known = [each for each in OUTPUTS[name].codecs if each in MOST_CRF]
    if not known:
        fault = rejected("not_applicable", f"{name} has no encoder settings.", 'Use "low", "medium" or "high".')
        return ValidationError({"quality": fault.messages})
    fault = rejected("not_applicable", f"{codec} does not go into {name}.", f"Use {listed(known)}.")
    return ValidationError({"quality": {"codec": fault.messages}})


def made(spec: JobSpec, timeline: Timeline) -> Timeline:
    """What the job's render makes of its timeline: all of it, one frame, or the sound alone (width and height 0).

    Raises InvalidSpec for a moment the timeline does not have, and for sound that is not there.
    """
    output = OUTPUTS[spec.output_format]
    if output.picture == "still":
        timeline = slice_timeline(timeline, _snapshot(spec, timeline), 1)
    if output.picture == "none":
        timeline = replace(timeline, width=0, height=0, layers=())
        if not any(sound.volume > 0 for sound in timeline.sounds):
            words = f"Nothing is to be heard, so there is nothing to put into {spec.output_format}."
            raise InvalidSpec([problem("output_format", "no_sound", words, "Add an element with sound.")])
    return replace(timeline, sounds=timeline.sounds if output.sound else (), scale=spec.render_scale)


def _snapshot(spec: JobSpec, timeline: Timeline) -> int:
    """The frame that is on screen at the snapshot's time; the last one while the length is only assumed."""
    frame = math.floor(spec.snapshot_time * timeline.frame_rate)
    if frame >= timeline.frames and not timeline.assumed:
        words = f"The job ends at {float(timeline.duration):g} s, where no frame is left to show."
        raise InvalidSpec([problem("snapshot_time", "out_of_range", words, "Use an earlier time.")])
    return min(frame, timeline.frames - 1)
