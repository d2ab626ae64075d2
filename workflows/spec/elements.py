"""The fields of each element type. The table in docs/scene.md is checked against these classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from marshmallow import ValidationError, validates_schema

from workflows.spec.addresses import address
from workflows.spec.colors import color, opaque_color
from workflows.spec.faults import rejected, shown
from workflows.spec.fields import REQUIRED, Listed, Parsed, StrictSchema, belongings
from workflows.spec.model import BLEND_MODES, ChromaKey, Crop
from workflows.spec.quantities import degrees, length, moment, pixels, ratio, seconds, whole
from workflows.spec.words import word

SOURCE_SCHEMES = ("http", "https", "s3")
FONT_FAMILIES = ("Inter",)
FONT_WEIGHTS = {"normal": 400, "bold": 700}
MAX_TEXT = 5000
MAX_TRACK = 1000
_PIXELS = pixels(4, 2000)
_IDENTIFIER = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_LATER = frozenset(
    {"aspect_ratio", "color_filter"} | {"keyframes", "mask"} | {"transition", "x_scale", "y_scale", "z_index"}
)


def identifier(value: Any) -> str:
    """A name of 1 to 128 letters, digits, `.`, `_`, `~` or `-`."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        remedy = "Use 1 to 128 letters, digits and . _ ~ -"
        raise rejected("invalid_value", f"{shown(value)} is not an id.", remedy)
    return value


def written_text(value: Any) -> str:
    """Visible text of at most 5000 characters, with no control characters but tab and line feed."""
    if not isinstance(value, str):
        raise rejected("invalid_type", f"{shown(value)} is not text.", "Write a string.")
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_TEXT:
        raise rejected("too_long", f"The text has {len(text)} characters.", f"Use at most {MAX_TEXT}.")
    if not text.strip():
        raise rejected("invalid_value", "The text is empty.", "Write some text, or remove the element.")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        raise rejected("invalid_value", "The text has control characters.", "Remove them.")
    return text


def font_weight(value: Any) -> int:
    """100, 200, … 900, or the words normal (400) and bold (700)."""
    if isinstance(value, str) and value in FONT_WEIGHTS:
        return FONT_WEIGHTS[value]
    number: int = whole(100, 900)(value)
    if number % 100:
        raise rejected("invalid_value", f"{number} is not a font weight.", f"Use {round(number / 100) * 100}.")
    return number


def speed(value: Any) -> Fraction:
    """How many times as fast: 0.1 to 10, or "10%" to "1000%"."""
    number = Fraction(str(ratio(10)(value)))
    if number < Fraction(1, 10):
        raise rejected(
            "out_of_range", f"{shown(value)} is out of range: from 0.1 to 10.", "Use a value from 0.1 to 10."
        )
    return number


def yes_or_no(value: Any) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise rejected("invalid_type", f"{shown(value)} is not true or false.", "Write true or false.")
    return value


def font_size(value: Any) -> Fraction | None:
    """A size in pixels; None for "auto"."""
    return None if value == "auto" else _PIXELS(value)


class AnimationSchema(StrictSchema):
    """A change over time at one end of an element."""

    later = frozenset({"easing", "reversed", "transition"})

    type = Parsed(word(("fade",), later=("slide", "scale", "spin", "wipe", "pan", "typewriter")), required=True)
    time = Parsed(word(("start", "end")), default="start")
    duration = Parsed(seconds(above_zero=True), default=1)


_ANIMATION = AnimationSchema()


class CropSchema(StrictSchema):
    """A part of a source."""

    x = Parsed(length(units=("px", "%")), default=0)
    y = Parsed(length(units=("px", "%")), default=0)
    width = Parsed(length(above_zero=True, units=("px", "%")))
    height = Parsed(length(above_zero=True, units=("px", "%")))


_CROP = CropSchema()


def crop(value: Any) -> Crop:
    """An object {x, y, width, height}."""
    return Crop(**_CROP.load(value))


class ChromaKeySchema(StrictSchema):
    """A color that becomes transparent."""

    color = Parsed(opaque_color, required=True)
    similarity = Parsed(ratio(1), default=0.1)
    softness = Parsed(ratio(1), default=0.05)


_CHROMA_KEY = ChromaKeySchema()


def chroma_key(value: Any) -> ChromaKey:
    """An object {color, similarity, softness}."""
    return ChromaKey(**_CHROMA_KEY.load(value))


class ElementSchema(StrictSchema):
    """What every element has."""

    later = _LATER

    type = Parsed(str, required=True)
    id = Parsed(identifier)
    track = Parsed(whole(1, MAX_TRACK))
    time = Parsed(seconds())
    duration = Parsed(moment("end"))


class Visual(StrictSchema):
    """What every element that is seen has."""

    x = Parsed(length(signed=True), default="0%")
    y = Parsed(length(signed=True), default="0%")
    width = Parsed(length(above_zero=True))
    height = Parsed(length(above_zero=True))
    x_anchor = Parsed(length(signed=True), default="0%")
    y_anchor = Parsed(length(signed=True), default="0%")
    opacity = Parsed(ratio(1), default=1)
    rotation = Parsed(degrees, default=0)
    blend_mode = Parsed(word(BLEND_MODES), default="normal")
    animations = Listed(lambda _: _ANIMATION, least=0, most=2, required=False)

    @validates_schema
    def _one_fade_an_end(self, data: Mapping[str, Any], **_: Any) -> None:
        ends = [animation["time"] for animation in data["animations"]]
        if len(set(ends)) < len(ends):
            fault = rejected("duplicate", f"Two fades at the {ends[0]}.", "Keep one fade at each end.")
            raise ValidationError({"animations": fault.messages})


class Sourced(StrictSchema):
    """What every element with a file has."""

    source = Parsed(address(SOURCE_SCHEMES), required=True)


class Framed(StrictSchema):
    """What every element with a picture from a file has."""

    fit = Parsed(word(("cover", "contain", "fill", "none", "blur-pad")), default="cover")
    crop = Parsed(crop)
    chroma_key = Parsed(chroma_key)
    brightness = Parsed(ratio(4), default=1)
    contrast = Parsed(ratio(4), default=1)
    saturation = Parsed(ratio(2), default=1)
    hue = Parsed(degrees, default=0)
    grayscale = Parsed(ratio(1), default=0)
    sepia = Parsed(ratio(1), default=0)
    invert = Parsed(ratio(1), default=0)
    blur = Parsed(pixels(0, 100), default=0)
    border_radius = Parsed(length(), default=0)


class Played(StrictSchema):
    """What every element that plays has."""

    duration = Parsed(moment("media", "end"))
    trim_start = Parsed(seconds(), default=0)
    trim_duration = Parsed(seconds(above_zero=True))
    speed = Parsed(speed, default=1)
    loop = Parsed(yes_or_no, default=False)
    volume = Parsed(ratio(10), default=1)
    audio_fade_in = Parsed(seconds(), default=0)
    audio_fade_out = Parsed(seconds(), default=0)


class Edged(StrictSchema):
    """What every element has that is drawn once: a line along its edge, a shadow."""

    stroke_color = Parsed(color)
    stroke_width = Parsed(pixels(0, 100), default=2)
    shadow_color = Parsed(color)
    shadow_blur = Parsed(pixels(0, 500), default=0)
    shadow_x = Parsed(pixels(-1000, 1000), default=0)
    shadow_y = Parsed(pixels(-1000, 1000), default=0)

    @validates_schema(pass_original=True)
    def _nothing_without_its_color(self, data: Mapping[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        refuse_colorless(data, original, {"stroke_color": ("stroke_width",)})
        refuse_colorless(data, original, {"shadow_color": ("shadow_blur", "shadow_x", "shadow_y")})


def refuse_colorless(data: Mapping[str, Any], original: Mapping[str, Any], needs: Mapping[str, Sequence[str]]) -> None:
    """Raise ValidationError at each color that is not given though something is said that only shows with it."""
    for name, others in needs.items():
        said = [other for other in others if original.get(other) is not None]
        if data[name] is None and said:
            message = f'"{said[0]}" shows nothing without "{name}".'
            raise ValidationError({name: rejected("missing_field", message, "Give the color.").messages})


class VideoSchema(Played, Framed, Sourced, Visual, ElementSchema):
    """A moving picture, with its sound."""

    on_short = Parsed(word(("freeze", "loop", "black", "error")), default="freeze")


class ImageSchema(Edged, Framed, Sourced, Visual, ElementSchema):
    """A still picture."""


class TextSchema(Edged, Visual, ElementSchema):
    """Written text."""

    text = Parsed(written_text, required=True)
    font_family = Parsed(word(FONT_FAMILIES), default="Inter")
    font_weight = Parsed(font_weight, default=400)
    font_size = Parsed(font_size, default=48)
    font_size_minimum = Parsed(pixels(4, 2000), default=8)
    font_size_maximum = Parsed(pixels(4, 2000), default=500)
    letter_spacing = Parsed(pixels(-100, 500), default=0)
    line_height = Parsed(ratio(10))
    text_transform = Parsed(word(("none", "uppercase", "lowercase", "capitalize")), default="none")
    text_overflow = Parsed(word(("visible", "ellipsis")), default="visible")
    background_color = Parsed(color)
    background_padding = Parsed(pixels(0, 500), default=0)
    border_radius = Parsed(pixels(0, 2000), default=0)
    fill_color = Parsed(color, default="#ffffff")
    text_align = Parsed(word(("left", "center", "right")), default="left")

    @validates_schema(pass_original=True)
    def _sizes_and_background(self, data: Mapping[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        refuse_colorless(data, original, {"background_color": ("background_padding", "border_radius")})
        if data["font_size_minimum"] > data["font_size_maximum"]:
            fault = rejected("out_of_range", "It is above font_size_maximum.", "Use a smaller one.")
            raise ValidationError({"font_size_minimum": fault.messages})


class ShapeSchema(Edged, Visual, ElementSchema):
    """A rectangle, or with rounded corners anything up to an ellipse."""

    fill_color = Parsed(color, default="#ffffff")
    border_radius = Parsed(length(), default=0)


class AudioSchema(Played, Sourced, ElementSchema):
    """Sound alone."""


ELEMENT_SCHEMAS: dict[str, type[StrictSchema]] = {
    "video": VideoSchema, "image": ImageSchema, "text": TextSchema, "shape": ShapeSchema, "audio": AudioSchema,
}  # fmt: skip
LATER_TYPES = ("composition", "captions")

_TYPE = word(tuple(ELEMENT_SCHEMAS), later=LATER_TYPES)
_READERS = {kind: schema() for kind, schema in ELEMENT_SCHEMAS.items()}
for _schema in ELEMENT_SCHEMAS.values():
    _schema.elsewhere = belongings(ELEMENT_SCHEMAS)


def schema_of(item: Any) -> StrictSchema:
    """The schema for an element as written, by its `type`. Raises ValidationError at `type`."""
    if not isinstance(item, Mapping):
        raise rejected("invalid_type", f"{shown(item)} is not an element.", 'Write an object: {"type": …}.')
    if item.get("type") is None:
        raise ValidationError({"type": REQUIRED})
    try:
        return _READERS[_TYPE(item["type"])]
    except ValidationError as err:
        raise ValidationError({"type": err.messages}) from err
