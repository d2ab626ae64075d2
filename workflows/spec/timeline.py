"""The scene on the output's frame grid: who is where, from which frame to which. Pure.

`resolve` turns a JobSpec and what is known of its sources into a Timeline. Sources not probed yet are assumed
(`assumed` names their elements); the worker's probe resolves again with the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal, cast

from workflows.errors import InvalidSpec
from workflows.spec.faults import problem
from workflows.spec.footage import Footage, all_footage, heard, played
from workflows.spec.layout import Size, place
from workflows.spec.look import PLAIN, CropShares, Look, crop_of, cropped_size, look_of, turned
from workflows.spec.media import MediaInfo
from workflows.spec.model import Element, Fit, JobSpec, TextStyle
from workflows.spec.timing import Span, schedule, snap


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in output pixels, static, rounded to even numbers (4:2:0). It may leave the canvas."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One visible element. Frames count on the output grid; `start` from the timeline's first frame.

    In a slice of a timeline `start` may be negative: the layer began before, and its frames and fades count from there.
    `source` is the URL as the client wrote it, None for text and shapes. For text, `box` is the area the text is
    laid out in: its width is the wrapping width, and the raster may be smaller.
    """

    element_id: str
    kind: Literal["video", "image", "text", "shape"]
    source: str | None
    start: int
    frames: int
    box: Box
    fit: Fit
    opacity: float
    trim_start: Fraction  # s into the source
    fade_in: int  # frames, from the layer's first
    fade_out: int  # frames, up to the layer's last
    text: TextStyle | None
    speed: Fraction = Fraction(1)
    lasts: int | None = None  # frames after which the source is over; None = when its file ends
    on_short: Literal["freeze", "loop", "black"] = "freeze"  # what is seen then
    look: Look = PLAIN
    fill_color: str | None = None  # of a shape

    @property
    def bounds(self) -> Box:
        """The rectangle nothing of the layer is drawn outside of; for text, the box itself counts."""
        if not self.look.drawn_whole:
            return self.box
        box, reach = self.box, self.look.reach
        grown = box.x - reach, box.y - reach, box.width + 2 * reach, box.height + 2 * reach
        x, y, width, height = turned(grown, self.look.rotation)
        return Box(x=x, y=y, width=width, height=height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One audible element. Seconds; `start` and `duration` lie on the frame grid; `start` may be negative in slices."""

    element_id: str
    source: str
    start: Fraction
    duration: Fraction
    trim_start: Fraction
    volume: float
    fade_in: Fraction
    fade_out: Fraction
    speed: Fraction = Fraction(1)
    loop: Fraction | None = None  # s of the output after which it begins again


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The resolved scene. `layers` are in paint order, back first."""

    width: int
    height: int
    frame_rate: Fraction
    frames: int
    fill_color: str
    layers: tuple[Layer, ...]
    sounds: tuple[Sound, ...]
    assumed: tuple[str, ...]  # ids of elements whose source's length or size was assumed
    scale: Fraction = Fraction(1)  # of the finished picture against width and height

    @property
    def output_size(self) -> tuple[int, int]:
        """Width and height of the finished picture: scaled, even, at least 2. 0, 0 without a picture."""
        if self.scale == 1:
            return self.width, self.height
        return self._scaled(self.width), self._scaled(self.height)

    def _scaled(self, length: int) -> int:
        return length and max(2, 2 * floor(length * self.scale / 2 + Fraction(1, 2)))

    @property
    def duration(self) -> Fraction:
        """Seconds, exactly."""
        return self.frames / self.frame_rate

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source URL, each once, in order of first use."""
        urls = [layer.source for layer in self.layers if layer.source] + [sound.source for sound in self.sounds]
        return tuple(dict.fromkeys(urls))


def resolve(spec: JobSpec, media: Mapping[str, MediaInfo]) -> Timeline:
    """The scene on the frame grid. `media` is what is known of the sources, by URL; the rest is assumed.

    Every element becomes a Layer, a Sound or both, even those without a frame to show. Raises InvalidSpec for
    overlaps on a track and boxes beyond bounds, SourceCorrupt for a source that cannot serve its element.
    """
    footage = all_footage(spec, media)
    plan = schedule(spec, footage)
    placed = sorted(enumerate(spec.elements), key=lambda pair: (pair[1].track, plan.spans[pair[1].id].start))
    layers = [_layer(item, index, spec, footage.get(item.id), plan.spans[item.id]) for index, item in placed]
    sounds = [_sound(item, footage.get(item.id), plan.spans[item.id], spec.frame_rate) for _, item in placed]
    return Timeline(
        width=spec.width,
        height=spec.height,
        frame_rate=spec.frame_rate,
        frames=plan.frames,
        fill_color=spec.fill_color,
        layers=tuple(layer for layer in layers if layer),
        sounds=tuple(sound for sound in sounds if sound),
        assumed=tuple(item.id for item in spec.elements if item.id in footage and footage[item.id].assumed),
    )


def _layer(element: Element, index: int, spec: JobSpec, footage: Footage | None, span: Span) -> Layer | None:
    if element.type == "audio":
        return None
    crop = _crop(element, index, footage)
    x, y, width, height = at = place(element, index, spec, _natural(element.type, footage, crop))
    return Layer(
        element_id=element.id,
        kind=element.type,
        source=element.source,
        start=span.start,
        frames=span.frames,
        box=Box(x=x, y=y, width=width, height=height),
        fit=element.fit,
        opacity=element.opacity,
        trim_start=element.trim_start,
        speed=element.speed,
        lasts=_lasts(element, footage, spec.frame_rate),
        on_short=_on_short(element, index, footage, span, spec.frame_rate),
        fade_in=_fade(element, "start", span, spec.frame_rate),
        fade_out=_fade(element, "end", span, spec.frame_rate),
        text=element.text,
        look=look_of(element, index, spec, at, crop),
        fill_color=element.fill_color,
    )


def _natural(kind: str, footage: Footage | None, crop: CropShares | None) -> Size | None:
    if kind == "shape":
        return 1, 1
    return cropped_size(crop, footage.size) if footage and footage.size else None


def _crop(element: Element, index: int, footage: Footage | None) -> CropShares | None:
    """The crop in shares of the source. Raises InvalidSpec when a probed source has nothing there."""
    size = footage.size if footage else None
    shares = crop_of(element.crop, size)
    if shares and (shares.width <= 0 or shares.height <= 0):
        if footage and footage.assumed:
            return None
        message = f'"{element.id}": the source is {size[0]}x{size[1]} px and has nothing there.' if size else ""
        raise InvalidSpec([problem(f"elements[{index}].crop", "out_of_range", message, "Crop inside the source.")])
    return shares


def _fade(element: Element, end: str, span: Span, rate: Fraction) -> int:
    """Frames of the fade at one end; a fade lasts at most as long as its element."""
    return sum(min(span.frames, snap(one.duration, rate)) for one in element.animations if one.time == end)


def _lasts(element: Element, footage: Footage | None, rate: Fraction) -> int | None:
    """Frames of one time through, where that is not simply up to the end of the file."""
    plain = element.trim_duration is None and not element.loop and element.on_short in ("freeze", "black")
    length = None if footage is None or plain else played(element, footage)
    return None if length is None else max(1, snap(length, rate))


def _on_short(
    element: Element, index: int, footage: Footage | None, span: Span, rate: Fraction
) -> Literal["freeze", "loop", "black"]:
    """What is seen when the source is over. Raises InvalidSpec where the client wants an error then."""
    lasts = _lasts(element, footage, rate)
    if lasts is not None and span.frames > lasts:
        if element.loop or element.on_short == "loop":
            return "loop"
        if element.on_short == "error" and footage and not footage.assumed:
            wanted, there = (round(float(frames / rate), 3) for frames in (span.frames, lasts))
            message = f'"{element.id}" plays for {wanted:g} s and its source lasts {there:g} s.'
            raise InvalidSpec([problem(f"elements[{index}].on_short", "out_of_range", message, "Use a longer source.")])
    return "black" if element.on_short == "black" else "freeze"


def _sound(element: Element, footage: Footage | None, span: Span, rate: Fraction) -> Sound | None:
    """The element's sound; it ends with its file, where its picture would freeze."""
    if footage is None or not footage.audible or (element.type == "video" and element.volume == 0):
        return None
    once = _heard(element, footage, rate, span.frames)
    again = element.loop or element.on_short == "loop"
    frames = span.frames if again and once else min(span.frames, once)
    if frames == 0 and span.frames:
        return None  # a video trimmed past the end of its shorter sound
    length = frames / rate
    return Sound(
        element_id=element.id,
        source=cast(str, element.source),
        start=span.start / rate,
        duration=length,
        trim_start=element.trim_start,
        speed=element.speed,
        loop=once / rate if frames > once else None,
        volume=element.volume,
        fade_in=min(element.audio_fade_in, length),
        fade_out=min(element.audio_fade_out, length),
    )


def _heard(element: Element, footage: Footage, rate: Fraction, most: int) -> int:
    length = heard(element, footage)
    if element.loop or element.on_short == "loop":
        length = played(element, footage) or length  # it begins again with its picture
    if length is None:
        return most
    return max(1, snap(length, rate)) if length > 0 else 0
