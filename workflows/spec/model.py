"""The job as the client wrote it, checked and typed. Pure values: `schema` makes them, `timeline` resolves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal

ElementType = Literal["video", "image", "text", "shape", "audio"]
Fit = Literal["cover", "contain", "fill", "none", "blur-pad"]
# How a layer's colors meet what is behind it; the names are CSS's where CSS has them.
BLEND_MODES = (
    "normal", "multiply", "screen", "overlay", "darken", "lighten", "color-dodge", "color-burn", "hard-light",
    "soft-light", "difference", "exclusion", "add", "subtract", "linear-light", "vivid-light",
)  # fmt: skip
OnShort = Literal["freeze", "loop", "black", "error"]
Unit = Literal["px", "%", "vw", "vh", "vmin", "vmax"]
Priority = Literal["low", "normal", "high", "critical"]
Mode = Literal["auto", "sync", "async"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A distance: pixels, percent (of the canvas, or of what the property names), or percent of the canvas' sides."""

    value: Fraction
    unit: Unit


NOTHING = Length(value=Fraction(0), unit="px")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A duration relative to others: percent of the job, or so many parts of what its track has left."""

    value: Fraction
    unit: Literal["%", "fr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """The part of a source that is used. Pixels or percent of the source; None = up to its edge."""

    x: Length
    y: Length
    width: Length | None
    height: Length | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Encoder settings. Defaults are the yardstick's: H.264, veryfast, CRF 21."""

    codec: str = "h264"
    preset: str = "veryfast"
    crf: int = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Animation:
    """A change over time at the start or the end of an element. Only `fade` so far. Seconds."""

    type: Literal["fade"]
    time: Literal["start", "end"]
    duration: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStyle:
    """What a text element says and how it looks. Sizes in output pixels; colors are `#rrggbb` or `#rrggbbaa`."""

    text: str
    font_family: str
    font_weight: int
    font_size: Fraction | None  # None = as large as the box allows
    fill_color: str
    text_align: Literal["left", "center", "right"]
    font_size_minimum: Fraction = Fraction(8)
    font_size_maximum: Fraction = Fraction(500)
    letter_spacing: Fraction = Fraction(0)
    line_height: float | None = None  # in font sizes; None = the font's own
    text_transform: Literal["none", "uppercase", "lowercase", "capitalize"] = "none"
    text_overflow: Literal["visible", "ellipsis"] = "visible"
    background_color: str | None = None
    background_padding: Fraction = Fraction(0)
    border_radius: Fraction = Fraction(0)  # of the background


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line along an edge. Pixels."""

    color: str
    width: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """The shape of an element in one color behind it. Pixels; as in CSS, `blur` is twice the standard deviation."""

    color: str
    blur: Fraction
    x: Fraction
    y: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Changes of a picture's colors, and its blur, in the order they are made. The defaults change nothing."""

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: Fraction = Fraction(0)  # degrees
    grayscale: float = 0.0
    sepia: float = 0.0
    invert: float = 0.0
    blur: Fraction = Fraction(0)  # standard deviation, pixels of the output


UNFILTERED = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromaKey:
    """A color that becomes transparent, and those near it. Distances are those of FFmpeg's chromakey, 0 to 1."""

    color: str
    similarity: float
    softness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of the scene. Lengths None = automatic, which keeps the aspect."""

    id: str
    type: ElementType
    track: int
    source: str | None = None
    time: Fraction | None = None  # s; None = after the one before on the same track
    duration: Fraction | Literal["media", "end"] | Share | None = None
    trim_start: Fraction = Fraction(0)
    trim_duration: Fraction | None = None  # s of the source
    speed: Fraction = Fraction(1)
    loop: bool = False
    on_short: OnShort = "freeze"
    x: Length
    y: Length
    width: Length | None
    height: Length | None
    x_anchor: Length
    y_anchor: Length
    fit: Fit = "cover"
    opacity: float = 1.0
    crop: Crop | None = None
    border_radius: Length = NOTHING
    rotation: Fraction = Fraction(0)  # degrees clockwise
    filters: Filters = UNFILTERED
    chroma_key: ChromaKey | None = None
    blend_mode: str = "normal"
    fill_color: str | None = None  # of a shape
    stroke: Stroke | None = None
    shadow: Shadow | None = None
    volume: float = 1.0
    audio_fade_in: Fraction = Fraction(0)
    audio_fade_out: Fraction = Fraction(0)
    animations: tuple[Animation, ...] = ()
    text: TextStyle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A whole job. `id` None lets the service name it."""

    id: str | None
    output_format: Literal["mp4", "webm", "mov", "gif", "png", "jpg", "mp3", "wav"]
    width: int
    height: int
    frame_rate: Fraction
    duration: Fraction | None
    fill_color: str
    elements: tuple[Element, ...]
    priority: Priority = "normal"
    quality: Quality = Quality()
    mode: Mode = "auto"
    workflow: str = "auto"
    deadline: datetime | None = None
    webhook_url: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    expires_in_s: int | None = None
    snapshot_time: Fraction = Fraction(0)  # s; of a still
    loop: bool = True  # of a gif
    render_scale: Fraction = Fraction(1)
