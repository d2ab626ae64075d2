"""The scene on the output's frame grid: who is where, from which frame to which. Pure.

`resolve` turns a JobSpec and what is known of its sources into a Timeline. Sources not probed yet are assumed
(`assumed` names their elements); the worker's probe resolves again with the facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from workflows.spec.model import Fit, TextStyle


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

    `source` is the URL as the client wrote it, None for text. For text, `box` is the area the text is laid out in:
    its width is the wrapping width, and the raster may be smaller.
    """

    element_id: str
    kind: Literal["video", "image", "text"]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One audible element. Seconds; `start` and `duration` lie on the frame grid."""

    element_id: str
    source: str
    start: Fraction
    duration: Fraction
    trim_start: Fraction
    volume: float
    fade_in: Fraction
    fade_out: Fraction


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

    @property
    def duration(self) -> Fraction:
        """Seconds, exactly."""
        return self.frames / self.frame_rate

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source URL, each once, in order of first use."""
        urls = [layer.source for layer in self.layers if layer.source] + [sound.source for sound in self.sounds]
        return tuple(dict.fromkeys(urls))
