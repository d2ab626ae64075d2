"""A clip's look as filters: each takes a stream and gives one. Masks are drawn once and put in the alpha plane."""

from __future__ import annotations

from typing import Any

import ffmpeg

from orchestrator_tasks.ffmpeg import colour
from orchestrator_tasks.ffmpeg.geometry import Rect, rect_of, turned_rect
from orchestrator_tasks.ffmpeg.graph import Item
from workflows.spec.look import CropShares

_MARGIN = 2  # copies of the edge around what is turned: the mask then cuts in the midst of colour, not beside black


def cropped(stream: Any, crop: CropShares) -> Any:
    """The part of the source's frames, on even pixels of the source."""
    width, height = (f"max(2,2*round({side}*{float(share):.12f}/2))" for side, share in _sides(crop))
    x, y = (f"2*round({side}*{float(share):.12f}/2)" for side, share in (("iw", crop.x), ("ih", crop.y)))
    return stream.filter("crop", width, height, x, y)


def _sides(crop: CropShares) -> tuple[tuple[str, Any], ...]:
    return ("iw", crop.width), ("ih", crop.height)


def turned(clip: Any, item: Item, onto: Rect) -> tuple[Any, Rect]:
    """Turned about the middle of the box and cut to the canvas; the alpha comes from a mask. Returns where it lies."""
    box, shown = rect_of(item.layer.box), item.place.shown
    around = turned_rect(box, item.layer.look.rotation)
    seen = around.meet(onto) or around
    left, top = shown.x - box.x, shown.y - box.y
    right, bottom = box.width - left - shown.width, box.height - top - shown.height
    wide, high = box.width + 2 * _MARGIN, box.height + 2 * _MARGIN
    clip = clip.filter("pad", wide, high, left + _MARGIN, top + _MARGIN)
    clip = clip.filter("fillborders", left + _MARGIN, right + _MARGIN, top + _MARGIN, bottom + _MARGIN, mode="smear")
    angle = f"{float(item.layer.look.rotation):.6f}*PI/180"
    clip = clip.filter("rotate", angle, ow=around.width, oh=around.height)
    if seen != around:
        clip = clip.filter("crop", seen.width, seen.height, seen.x - around.x, seen.y - around.y)
    return clip, seen


def masked(clip: Any, mask: Any, *, alpha: bool) -> Any:
    """With the mask as its alpha plane, or times the alpha plane it has."""
    if not alpha:
        return ffmpeg.filter([clip, mask], "alphamerge")
    both = clip.filter_multi_output("split")
    own = ffmpeg.filter([both[1].filter("alphaextract"), mask], "blend", all_mode="multiply")
    return ffmpeg.filter([both[0], own], "alphamerge")


BLENDS = {
    "multiply": "multiply", "screen": "screen", "overlay": "overlay", "darken": "darken", "lighten": "lighten",
    "color-dodge": "dodge", "color-burn": "burn", "hard-light": "hardlight", "soft-light": "softlight",
    "difference": "difference", "exclusion": "exclusion", "add": "addition", "subtract": "subtract",
    "linear-light": "linearlight", "vivid-light": "vividlight",
}  # fmt: skip
SWAPPED = frozenset({"overlay", "hard-light", "soft-light", "subtract"})  # where FFmpeg's first input is what is behind


def blended(behind: Any, layer: Any, mode: str) -> Any:
    """The layer's colors mixed with those behind, in RGB, under the layer's own alpha."""
    both = layer.filter_multi_output("split")
    front, back = both[0].filter("format", "gbrp"), behind.filter("format", "gbrp")
    pair = [back, front] if mode in SWAPPED else [front, back]
    mixed = ffmpeg.filter(pair, "blend", all_mode=BLENDS[mode])
    mixed = mixed.filter("format", pix_fmts="yuva420p", **colour.OUTPUT)
    return ffmpeg.filter([mixed, both[1].filter("alphaextract")], "alphamerge")
