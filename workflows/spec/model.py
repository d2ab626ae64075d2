"""The job as the client wrote it, checked and typed. Pure values: `schema` makes them, `timeline` resolves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal

ElementType = Literal["video", "image", "text", "audio"]
Fit = Literal["cover", "contain", "fill"]
Priority = Literal["low", "normal", "high", "critical"]
Mode = Literal["auto", "sync", "async"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A distance: pixels, or percent of the canvas (or, for an anchor, of the element itself)."""

    value: Fraction
    unit: Literal["px", "%"]


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
    font_size: Fraction
    fill_color: str
    text_align: Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of the scene. Lengths None = automatic, which keeps the aspect."""

    id: str
    type: ElementType
    track: int
    source: str | None = None
    time: Fraction | None = None  # s; None = after the one before on the same track
    duration: Fraction | Literal["media", "end"] | None = None
    trim_start: Fraction = Fraction(0)
    x: Length
    y: Length
    width: Length | None
    height: Length | None
    x_anchor: Length
    y_anchor: Length
    fit: Fit = "cover"
    opacity: float = 1.0
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
