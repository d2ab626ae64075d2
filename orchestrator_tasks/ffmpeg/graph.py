"""The picture half of a timeline as an explicit graph, and the passes that make it cheap. Pure.

A scene is what lies at the back, span by span, and what is composited over it. `build` puts every layer over one
colour; each pass takes a scene and gives an equal-looking, cheaper one. Passes can be switched off by name, and the
picture must not change: that is how they are tested.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from orchestrator_tasks.ffmpeg import colour
from orchestrator_tasks.ffmpeg.geometry import Placement, Rect, canvas, placement, rect_of
from workflows.spec.look import cropped_size
from workflows.spec.media import MediaInfo, VideoStream
from workflows.spec.model import TextStyle
from workflows.spec.timeline import Layer, Timeline

BLACK = (0, 0, 0, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A piece of a layer: `frames` output frames from `start`, showing the layer from its frame `skip` on."""

    order: int  # place in paint order, back first
    layer: Layer
    start: int
    frames: int
    skip: int
    placed: Placement | None  # None for text, whose size is known once drawn
    alpha: bool  # whether the source itself can be see-through

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.start + self.frames

    @property
    def source(self) -> str:
        """The source's URL; only video and image items have one."""
        return cast(str, self.layer.source)

    @property
    def place(self) -> Placement:
        """`placed` of a video, image or shape item that is on the canvas: after drop_unseen, all of them."""
        return cast(Placement, self.placed)

    @property
    def style(self) -> TextStyle:
        """What a text item says and how."""
        return cast(TextStyle, self.layer.text)

    @property
    def fades(self) -> bool:
        """Whether a fade touches this piece."""
        fading_in = self.skip < self.layer.fade_in
        # The frame at which the fade out begins is still whole.
        fading_out = self.layer.fade_out > 0 and self.skip + self.frames > self.layer.frames - self.layer.fade_out + 1
        return fading_in or fading_out

    def opacity(self, frame: int) -> float:
        """Opacity at the piece's frame: the layer's, times its fades, which are linear in time."""
        at = self.skip + frame
        rising = at / self.layer.fade_in if self.layer.fade_in else 1.0
        falling = (self.layer.frames - at) / self.layer.fade_out if self.layer.fade_out else 1.0
        return self.layer.opacity * min(1.0, rising) * min(1.0, falling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is at the back for some frames: the fill colour (None), or an item that fills the canvas."""

    start: int
    frames: int
    item: Item | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The whole picture: `back` has no gaps; `items` lie over it, in paint order."""

    canvas: Rect
    frames: int
    fill_color: str
    back: tuple[Span, ...]
    items: tuple[Item, ...]

    @property
    def pix_fmt(self) -> str:
        """What the back is made of: with an alpha plane where the fill colour is see-through."""
        return "yuv420p" if colour.parse(self.fill_color)[3] == 255 else "yuva420p"


def build(timeline: Timeline, media: Mapping[str, MediaInfo]) -> Scene:
    """Every layer over one colour, as written, nothing left out."""
    onto = canvas(timeline.width, timeline.height)
    return Scene(
        canvas=onto,
        frames=timeline.frames,
        fill_color=timeline.fill_color,
        back=(Span(start=0, frames=timeline.frames, item=None),),
        items=tuple(_item(order, layer, media, onto) for order, layer in enumerate(timeline.layers)),
    )


def _item(order: int, layer: Layer, media: Mapping[str, MediaInfo], onto: Rect) -> Item:
    video = media[layer.source].video if layer.source else None
    # A turned box shows on the canvas what lay off it, and so does a shadow.
    within = rect_of(layer.box) if layer.look.drawn_whole else onto
    return Item(
        order=order,
        layer=layer,
        start=layer.start,
        frames=layer.frames,
        skip=0,
        placed=_placed(layer, video, within),
        alpha=layer.look.see_through or _see_through(layer, video),
    )


def _placed(layer: Layer, video: VideoStream | None, within: Rect) -> Placement | None:
    if layer.kind == "shape":
        return placement("fill", layer.box, (1, 1), within)
    size = cropped_size(layer.look.crop, (video.width, video.height)) if video else (0, 0)
    return placement(layer.fit, layer.box, size, within) if video else None


def _see_through(layer: Layer, video: VideoStream | None) -> bool:
    if layer.fill_color:
        return colour.parse(layer.fill_color)[3] < 255
    return video.alpha if video else True


def cut_to_timeline(scene: Scene) -> Scene:
    """Cut what begins before the first frame or ends after the last."""
    cut = (piece(item, max(0, item.start), min(scene.frames, item.end)) for item in scene.items)
    return replace(scene, items=tuple(item for item in cut if item))


def drop_unseen(scene: Scene) -> Scene:
    """Leave out what is fully transparent or has no pixel on the canvas."""

    def seen(item: Item) -> bool:
        if item.layer.opacity <= 0 or (item.layer.kind != "text" and item.placed is None):
            return False
        return item.layer.kind == "text" or rect_of(item.layer.bounds).meet(scene.canvas) is not None

    return replace(scene, items=tuple(filter(seen, scene.items)))


def drop_covered(scene: Scene) -> Scene:
    """Leave out what lies wholly behind an opaque item that fills the canvas, frame by frame."""
    kept: list[Item] = []
    hidden: list[Item] = []  # opaque, canvas-filling, in front of what follows
    for item in reversed(scene.items):
        pieces = [item]
        for front in hidden:
            pieces = [rest for part in pieces for rest in _without(part, front)]
        kept += reversed(pieces)
        hidden += [part for part in pieces if hides(part, scene.canvas)]
    return replace(scene, items=tuple(reversed(kept)))


def fill_back(scene: Scene) -> Scene:
    """Use what fills the canvas as the back itself: no colour is then generated, and nothing composited over it."""
    chosen = [item for item in scene.items if _can_be_back(item, scene)]
    spans: list[Span] = []
    at = 0
    for item in sorted(chosen, key=lambda each: each.start):
        if item.start > at:
            spans.append(Span(start=at, frames=item.start - at, item=None))
        spans.append(Span(start=item.start, frames=item.frames, item=item))
        at = item.end
    if at < scene.frames:
        spans.append(Span(start=at, frames=scene.frames - at, item=None))
    return replace(scene, back=tuple(spans), items=tuple(item for item in scene.items if item not in chosen))


Pass = Callable[[Scene], Scene]
PASSES: Mapping[str, Pass] = {
    "cut_to_timeline": cut_to_timeline,
    "drop_unseen": drop_unseen,
    "drop_covered": drop_covered,
    "fill_back": fill_back,
}
REQUIRED = frozenset({"cut_to_timeline", "drop_unseen"})  # the compiler relies on these


def optimise(scene: Scene, without: Collection[str] = ()) -> Scene:
    """The scene after all passes, in order, but those named in `without`."""
    for name, change in PASSES.items():
        if name in REQUIRED or name not in without:
            scene = change(scene)
    return scene


def piece(item: Item, start: int, end: int) -> Item | None:
    """The part of `item` from frame `start` up to `end`; None when nothing is left."""
    if end <= start:
        return None
    return replace(item, start=start, frames=end - start, skip=item.skip + start - item.start)


def hides(item: Item, onto: Rect) -> bool:
    """Whether nothing behind `item` can be seen while it lasts."""
    filled = item.placed is not None and item.placed.shown.covers(onto)
    return filled and not item.alpha and item.layer.opacity >= 1 and not item.fades


def _without(item: Item, front: Item) -> Sequence[Item]:
    before = piece(item, item.start, min(item.end, front.start))
    after = piece(item, max(item.start, front.end), item.end)
    return [part for part in (before, after) if part]


def _can_be_back(item: Item, scene: Scene) -> bool:
    if any(other.order < item.order and overlaps(item, other) for other in scene.items):
        return False
    return hides(item, scene.canvas) or _fades_over_black(item, scene)


def _fades_over_black(item: Item, scene: Scene) -> bool:
    """FFmpeg's fade to black needs no alpha plane; over black it looks the same as fading the opacity."""
    solid = replace(item, layer=replace(item.layer, fade_in=0, fade_out=0))
    return item.layer.kind == "video" and hides(solid, scene.canvas) and colour.parse(scene.fill_color) == BLACK


def overlaps(one: Item, other: Item) -> bool:
    """Whether both are on screen in some frame."""
    return one.start < other.end and other.start < one.end
