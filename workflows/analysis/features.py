"""Counting what a timeline makes a render do: pixels decoded, composited and encoded, seconds of sound. Pure.

Only what is seen counts: layers that are transparent, off the canvas, without frames or behind an opaque layer cost
nothing, since the compiler leaves them out as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from workflows.analysis.model import Features
from workflows.spec.footage import ASSUMED_IMAGE, ASSUMED_VIDEO
from workflows.spec.look import PLAIN
from workflows.spec.media import MediaInfo
from workflows.spec.model import UNFILTERED, TextStyle
from workflows.spec.timeline import Box, Layer, Timeline

ASSUMED_RATE = 30
MPX = 1e6
EM_WIDTH = 0.55  # of a letter of Inter, on average; the rasteriser measures, this only estimates
LINE_HEIGHT = 1.2
# A video layer's extra work, in units of scaling and blending it once (7 ms of CPU a Mpx): measured with FFmpeg 9 on a
# 1280x720 layer, 0.9 ms a Mpx for an alpha mask, 20 for turning, 10 for the blurred copy of blur-pad,
# 5 for filters that mix colors, 3 for blur, 30 for the chroma key, 2 for a blend mode.
MASKING, TURNING, PADDING, MIXING, BLURRING, KEYING, BLENDING = 0.1, 2.8, 1.4, 0.7, 0.5, 4.3, 0.3

Media = Mapping[str, MediaInfo]


def features(timeline: Timeline, media: Media) -> Features:
    """The counts. Sources missing from `media` are taken as assumed by `workflows.spec.footage`."""
    seen = visible(timeline, media)
    return Features(
        frames=timeline.frames,
        decode_mpx=sum(_decoded(layer, timeline, media) for layer in seen) / MPX,
        composite_mpx=sum(_composited(layer, timeline, media) for layer in seen) / MPX,
        encode_mpx=timeline.frames * timeline.width * timeline.height / MPX,
        audio_s=float(sum(sound.duration for sound in timeline.sounds if sound.volume > 0)),
        layers=len(seen),
        max_overlap=_max_overlap(seen),
        sources=len(timeline.sources),
    )


def visible(timeline: Timeline, media: Media) -> list[Layer]:
    """The layers that change at least one pixel of one frame, as far as can be told without decoding."""
    shown = [
        layer
        for layer in timeline.layers
        if shown_frames(layer, timeline) and layer.opacity > 0 and on_canvas(layer.bounds, timeline)
    ]
    covers = [(index, layer) for index, layer in enumerate(shown) if _hides_what_is_behind(layer, media)]
    return [
        layer
        for index, layer in enumerate(shown)
        if not any(front > index and _hides(cover, layer, timeline) for front, cover in covers)
    ]


def on_canvas(box: Box, timeline: Timeline) -> int:
    """Pixels of the box that lie on the canvas."""
    left, top, right, bottom = _clipped(box, timeline)
    return max(0, right - left) * max(0, bottom - top)


def shown_frames(layer: Layer, timeline: Timeline) -> int:
    """How many frames of the layer lie in the timeline: of a slice, a layer may begin before and end after."""
    return max(0, min(layer.start + layer.frames, timeline.frames) - max(layer.start, 0))


def source_size(layer: Layer, media: Media) -> tuple[int, int]:
    """Width and height of a picture's source, known or assumed."""
    info = media.get(layer.source or "")
    if info and info.video:
        return info.video.width, info.video.height
    return ASSUMED_VIDEO if layer.kind == "video" else ASSUMED_IMAGE


def _clipped(box: Box, timeline: Timeline) -> tuple[int, int, int, int]:
    right, bottom = min(box.x + box.width, timeline.width), min(box.y + box.height, timeline.height)
    return max(box.x, 0), max(box.y, 0), right, bottom


def _hides_what_is_behind(layer: Layer, media: Media) -> bool:
    info = media.get(layer.source or "")
    alpha = info.video.alpha if info and info.video else layer.kind != "video"
    if layer.fill_color:
        alpha = len(layer.fill_color) > 7
    solid = not alpha and layer.opacity >= 1 and not (layer.fade_in or layer.fade_out)
    return solid and layer.fit not in ("contain", "none") and not layer.look.see_through


def _hides(front: Layer, back: Layer, timeline: Timeline) -> bool:
    inside = front.start <= back.start and back.start + back.frames <= front.start + front.frames
    f, b = _clipped(front.box, timeline), _clipped(back.bounds, timeline)
    return inside and f[0] <= b[0] and f[1] <= b[1] and f[2] >= b[2] and f[3] >= b[3]


def _decoded(layer: Layer, timeline: Timeline, media: Media) -> float:
    """Pixels decoded: every source frame in the layer's time at the source's size and rate; a still once."""
    if layer.kind in ("text", "shape"):
        return 0
    width, height = source_size(layer, media)
    if layer.kind == "image":
        return width * height
    info = media.get(layer.source or "")
    seconds = shown_frames(layer, timeline) / timeline.frame_rate
    if info and info.duration is not None:
        seconds = min(seconds, max(info.duration - layer.trim_start, Fraction(0)) / layer.speed)
    if layer.lasts is not None:
        seconds = min(seconds, layer.lasts / timeline.frame_rate)
    rate = info.video.frame_rate if info and info.video and info.video.frame_rate else ASSUMED_RATE
    return float(seconds * layer.speed * rate * width * height)


def _composited(layer: Layer, timeline: Timeline, media: Media) -> float:
    """Pixels scaled or blended. A full-frame opaque video of the output's size passes through untouched."""
    area = on_canvas(layer.bounds, timeline)
    if layer.text:
        area = min(area, text_area(layer.text, layer.box))
    elif layer.kind == "video" and _passes_through(layer, timeline, media):
        return 0
    return area * shown_frames(layer, timeline) * ((effort(layer) if layer.kind == "video" else 1) + _blending(layer))


def _blending(layer: Layer) -> float:
    """Stills too are mixed with what is behind them frame by frame, and from the first frame on."""
    return BLENDING * (layer.start + layer.frames) / layer.frames if layer.look.blend_mode != "normal" else 0


def effort(layer: Layer) -> float:
    """How many times the work of a plain layer a video's look makes, frame by frame; stills are drawn once."""
    look = layer.look
    mixing = look.filters != replace(UNFILTERED, blur=look.filters.blur)
    blurring = bool(look.filters.blur)
    return (
        1
        + MASKING * look.see_through
        + TURNING * bool(look.rotation)
        + PADDING * (layer.fit == "blur-pad")
        + MIXING * mixing
        + BLURRING * blurring
        + KEYING * (look.chroma_key is not None)
    )


def _passes_through(layer: Layer, timeline: Timeline, media: Media) -> bool:
    canvas = Box(x=0, y=0, width=timeline.width, height=timeline.height)
    same_size = source_size(layer, media) == (timeline.width, timeline.height)
    return (
        layer.box == canvas
        and same_size
        and layer.look == PLAIN
        and layer.fit != "blur-pad"
        and _hides_what_is_behind(layer, media)
    )


def text_area(style: TextStyle, box: Box) -> int:
    """Pixels of the raster a text needs, estimated from its letters."""
    if style.font_size is None:
        return box.width * box.height  # made to fill it
    letter, size = EM_WIDTH * float(style.font_size), float(style.font_size)
    widths = [max(1.0, len(line) * letter) for line in style.text.split("\n")]
    lines = sum(math.ceil(width / box.width) for width in widths)
    return int(min(max(widths), box.width) * lines * LINE_HEIGHT * size)


def _max_overlap(layers: Sequence[Layer]) -> int:
    edges = [(layer.start, 1) for layer in layers] + [(layer.start + layer.frames, -1) for layer in layers]
    return max(accumulate(step for _, step in sorted(edges)), default=0)
