"""From a scene to FFmpeg's filter graph: clips and stills become streams on the output's frame grid, then one picture.

Every stream of pictures here is BT.709 limited 4:2:0 with square pixels, in the time base 1/frame rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

import ffmpeg
import numpy as np

from orchestrator_tasks.ffmpeg import colour, colouring, effects, shapes
from orchestrator_tasks.ffmpeg.geometry import Placement, Rect, blur_pad_sigma, canvas, placement, rect_of
from orchestrator_tasks.ffmpeg.graph import Item, Scene, Span
from orchestrator_tasks.ffmpeg.inputs import UNINDEXED_MARGIN_S, Inputs, decimal, demuxer_of
from orchestrator_tasks.ffmpeg.raster import Raster
from workflows.errors import SourceCorrupt, SourceOverLimits
from workflows.spec.look import cropped_size
from workflows.spec.media import MediaInfo, VideoStream
from workflows.spec.model import UNFILTERED

# A frame belongs to an instant when its time is no later than this after it. Containers round times (Matroska to
# 1 ms) and people write 0.0667 for 2/29.97; not a multiple of 1/30000 s, so that no NTSC frame lies on the edge.
TOLERANCE = Fraction(125, 100_000)
_MICRO = 1_000_000

LOOP_BYTES = 200_000_000  # of frames kept for a loop; a longer one is read from its file each time
MAX_ROUNDS = 16
BYTES_A_PIXEL = 2.5  # 4:2:0 with alpha

Draw = Callable[[Item], Raster | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """What is needed to turn items into streams."""

    inputs: Inputs
    draw: Draw

    @property
    def rate(self) -> Fraction:
        """Frames a second of the output."""
        return self.inputs.rate

    def compose(self, scene: Scene) -> Any:
        """The finished picture stream of exactly `scene.frames` frames."""
        stream = self._back(scene)
        for item in scene.items:
            stream = self._over(stream, item, scene.canvas)
        return stream.filter("setparams", **colour.TAGS)

    def _back(self, scene: Scene) -> Any:
        parts = [self._span(span, scene) for span in scene.back]
        if len(parts) == 1:
            item = scene.back[0].item
            return self._on_grid(parts[0], "N") if item and item.skip else parts[0]
        joined = ffmpeg.filter(parts, "concat", n=len(parts), v=1, a=0)
        return self._on_grid(joined, "N")

    def _span(self, span: Span, scene: Scene) -> Any:
        if span.item is None:
            return self._fill(span, scene)
        if span.item.layer.kind == "video":
            clip = self._clip(span.item, scene.pix_fmt)
            return self._faded(clip, span.item, alpha=False)
        raster = self.draw(span.item)
        if raster is None or not raster.opaque:  # see-through after all: its header promised otherwise
            return self._over(self._fill(span, scene), replace(span.item, start=0), scene.canvas)
        return self._repeated(self._converted(raster, scene.pix_fmt), span.frames)

    def _fill(self, span: Span, scene: Scene) -> Any:
        """The fill colour, from a raster of 2 x 2 pixels: converted once, like every other still."""
        pixels = np.full((2, 2, 4), colour.parse(scene.fill_color), np.uint8)
        raster = Raster(rect=canvas(2, 2), pixels=pixels, opaque=scene.pix_fmt == "yuv420p")
        flat = self.inputs.still(raster).filter("scale", scene.canvas.width, scene.canvas.height, flags="neighbor")
        return self._repeated(flat.filter("format", pix_fmts=scene.pix_fmt, **colour.OUTPUT), span.frames)

    def _repeated(self, stream: Any, frames: int) -> Any:
        return stream.filter("loop", loop=frames - 1, size=1).filter("setpts", "N")

    def _over(self, under: Any, item: Item, onto: Rect) -> Any:
        if item.layer.kind == "video":
            stream, at = self._translucent_clip(item, onto)
        else:
            raster = self.draw(item)
            if raster is None:
                return under
            held = self._held if item.layer.look.blend_mode == "normal" else self._steady
            stream, at = held(raster, item), raster.rect
        if item.layer.look.blend_mode != "normal":
            under, stream = self._blended(under, stream, item, at)
        # Half a frame early on both edges: exact whatever a time rounds to. Past its end a stream holds its last frame.
        first, last = ((edge - Fraction(1, 2)) / self.rate for edge in (item.start, item.end))
        window = f"between(t,{float(first):.6f},{float(last):.6f})"
        return ffmpeg.overlay(under, stream, x=at.x, y=at.y, eof_action="repeat", enable=window)

    def _translucent_clip(self, item: Item, onto: Rect) -> tuple[Any, Rect]:
        """The item's frames with their alpha, and where they lie."""
        clip, at = self._clip(item, "yuva420p"), item.place.shown
        if item.layer.look.masked:
            clip, at = self._dressed(clip, item, onto)
        elif item.layer.opacity < 1:
            clip = clip.filter("lutyuv", a=f"val*{item.layer.opacity:.6f}")
        clip = self._faded(clip, item, alpha=True)
        return clip.filter("setpts", f"PTS+{item.start - item.skip}"), at

    def _dressed(self, clip: Any, item: Item, onto: Rect) -> tuple[Any, Rect]:
        """Turned, and under an alpha mask that is drawn once: its edges are smooth and it carries the opacity."""
        layer, at = item.layer, item.place.shown
        if layer.look.rotation:
            clip, at = effects.turned(clip, item, onto)
        cover = shapes.coverage(layer.box, layer.look, item.place.shown, at)
        alpha = self.inputs.has_alpha(item.source) or layer.look.chroma_key is not None
        mask = self.inputs.mask(np.rint(cover * layer.opacity).astype(np.uint8))
        return effects.masked(clip, mask, alpha=alpha), at

    def _clip(self, item: Item, pix_fmt: str) -> Any:
        """The item's frames, fitted and colored; its times count from the layer's first frame."""
        if item.layer.on_short == "loop":
            return self._looped(item, pix_fmt)
        stream = self._once(item, pix_fmt)
        if item.layer.lasts is not None:
            stream = stream.filter("trim", end_frame=max(1, item.layer.lasts - item.skip))
        # A source that ends early shows its last frame.
        if item.layer.on_short == "black":
            stream = stream.filter("tpad", stop=-1, stop_mode="add", color="black")
        else:
            stream = stream.filter("tpad", stop=-1, stop_mode="clone")
        return self._exactly(stream, item.frames, first=item.skip)

    def _looped(self, item: Item, pix_fmt: str) -> Any:
        """The item's frames, from the start of its layer's source again and again."""
        lasts, shown = item.layer.lasts or 1, item.place.shown
        first = item.skip % lasts
        if lasts * shown.width * shown.height * BYTES_A_PIXEL <= LOOP_BYTES:
            stream = self._one_round(item, pix_fmt).filter("loop", loop=-1, size=lasts).filter("setpts", "N")
        elif _countable(self.inputs.media[item.source]):
            stream, first = self._once(item, pix_fmt, again=True), item.skip
        else:
            rounds = [self._one_round(item, pix_fmt) for _ in range(_rounds(item, first))]
            stream = self._on_grid(ffmpeg.filter(rounds, "concat", n=len(rounds), v=1, a=0), "N")
        stream = stream.filter("trim", start_frame=first, end_frame=first + item.frames)
        return self._on_grid(stream, f"N+{item.skip}" if item.skip else "N")

    def _one_round(self, item: Item, pix_fmt: str) -> Any:
        """What is repeated."""
        lasts = item.layer.lasts or 1
        stream = self._once(replace(item, skip=0, frames=lasts), pix_fmt)
        return self._exactly(stream.filter("tpad", stop=-1, stop_mode="clone"), lasts)

    def _once(self, item: Item, pix_fmt: str, *, again: bool = False) -> Any:
        """The frames of the source as far as it goes, or without end, read from the file each time."""
        media = self.inputs.media[item.source]
        if media.video is None:
            raise SourceCorrupt(f"The source of {item.layer.element_id!r} has no picture.")
        frames = self._replayed if again else self._frames
        stream = _fitted(frames(item, media, media.video), media.video, item, pix_fmt)
        look = item.layer.look
        if look.chroma_key:
            stream = colouring.keyed(stream, look.chroma_key)
        if look.filters != UNFILTERED:
            stream = colouring.filtered(stream, look.filters, pix_fmt)
        return stream

    def _frames(self, item: Item, media: MediaInfo, video: VideoStream) -> Any:
        """One source frame per output frame: frame n is the one on screen at the item's beginning + n/rate."""
        speed = item.layer.speed
        begin = _begin(item.layer.trim_start + self._played(item), media, video)
        grid = video.frame_rate
        seek = floor((begin + TOLERANCE) * grid) / grid if grid else begin
        margin = UNINDEXED_MARGIN_S.get(demuxer_of(media), 0)
        opened = max(Fraction(0), seek - margin)
        stream = self._opened(item, opened)["V:0"].filter("settb", "1/1000000")
        if grid == self.rate and speed == 1:
            stream = stream.filter("setpts", f"PTS-{_micro(seek - opened)}")
            return stream.filter("fps", fps=self.rate, round="near", start_time=0)
        if grid:
            if _ends_within(item.frames / self.rate, begin, video):
                # fps would leave out a last frame that no output frame falls on, and then its predecessor is held.
                stream = stream.filter("tpad", stop=1, stop_mode="clone")
            stream = stream.filter("setpts", _snapped(grid))
        late = begin - opened + TOLERANCE
        times = f"PTS-({_micro(late)})" if speed == 1 else f"(PTS-({_micro(late)}))*{1 / speed}"
        return stream.filter("setpts", times).filter("fps", fps=self.rate, round="up", start_time=0)

    def _replayed(self, item: Item, _: MediaInfo, video: VideoStream) -> Any:
        """The same without end, from the layer's first frame on.

        FFmpeg's own times are of no use where a file begins again (and -ss with -stream_loop begins again elsewhere):
        frames are counted, and each time through begins exactly `lasts` frames after the one before.
        """
        layer, grid, counted = item.layer, video.frame_rate or self.rate, video.frames or 1
        once = (layer.lasts or 1) / self.rate
        first = min(floor((layer.trim_start + TOLERANCE) * grid), counted - 1)
        late = layer.trim_start + TOLERANCE - first / grid
        used = max(1, min(counted - first, ceil((once * layer.speed + late) * grid)))
        stream = self.inputs.read(item.source, Fraction(0), an=None, stream_loop=-1)["V:0"].filter("settb", "1/1000000")
        stream = stream.filter("select", f"between(mod(n,{counted}),{first},{first + used - 1})")
        within = f"max(0,(mod(N,{used})*({1 / grid})-({late}))*({1 / layer.speed}))"
        # A hair early, so that rounding to microseconds never makes a frame late.
        times = f"1000000*(floor(N/{used})*({once})+{within})-50"
        return stream.filter("setpts", times).filter("fps", fps=self.rate, round="up", start_time=0)

    def _played(self, item: Item) -> Fraction:
        """How far into its source the piece begins; what is over stays at its last frame."""
        skip = item.skip if item.layer.lasts is None else min(item.skip, item.layer.lasts - 1)
        return skip / self.rate * item.layer.speed

    def _opened(self, item: Item, seek: Fraction) -> Any:
        if seek or item.skip:
            return self.inputs.read(item.source, seek, an=None)
        stream = self.inputs.read(item.source, seek)
        self.inputs.shared[item.source, item.start] = stream
        return stream

    def _faded(self, clip: Any, item: Item, *, alpha: bool) -> Any:
        """With the layer's fades, which count in the layer's own time: a piece of a layer may begin within one."""
        if not item.fades:
            return clip
        layer = item.layer
        options = {"alpha": 1} if alpha else {}
        if layer.fade_in:
            clip = clip.filter("fade", t="in", st=0, d=decimal(layer.fade_in / self.rate), **options)
        if layer.fade_out:
            start = (layer.frames - layer.fade_out) / self.rate
            clip = clip.filter("fade", t="out", st=decimal(start), d=decimal(layer.fade_out / self.rate), **options)
        return clip

    def _held(self, raster: Raster, item: Item) -> Any:
        """A still: one frame that the overlay holds, and more only where a fade changes it."""
        stream = self._converted(raster, "yuva420p")
        last, again = _changing(item)
        count = last + 1 + item.frames - again
        if count > 1:
            stream = stream.filter("loop", loop=count - 1, size=1)
        stream = stream.filter("setpts", f"{item.skip}+if(lte(N,{last}),N,N+{again - last - 1})")
        return self._faded(stream, item, alpha=True).filter("setpts", f"PTS+{item.start - item.skip}")

    def _steady(self, raster: Raster, item: Item) -> Any:
        """A still as a stream of all its frames."""
        stream = self._converted(raster, "yuva420p").filter("loop", loop=item.frames - 1, size=1)
        stream = self._faded(stream.filter("setpts", f"N+{item.skip}"), item, alpha=True)
        return stream.filter("setpts", f"PTS+{item.start - item.skip}")

    def _blended(self, under: Any, stream: Any, item: Item, at: Rect) -> tuple[Any, Any]:
        """What is behind, and over it the same mixed with the layer, under the layer's alpha.

        The layer's stream is led by copies of its first frame: the overlay would keep all that is behind in memory
        until the other, which is made from it, begins.
        """
        both = under.filter_multi_output("split")
        behind = both[1].filter("trim", end_frame=item.end).filter("crop", at.width, at.height, at.x, at.y)
        led = stream.filter("tpad", start=item.start, start_mode="clone") if item.start else stream
        return both[0], effects.blended(behind, self._on_grid(led, "N"), item.layer.look.blend_mode)

    def _converted(self, raster: Raster, pix_fmt: str) -> Any:
        return self.inputs.still(raster).filter("format", pix_fmts=pix_fmt, **colour.OUTPUT)

    def _exactly(self, stream: Any, frames: int, first: int = 0) -> Any:
        """Just so many frames, numbered from `first` in the time base of the output."""
        return self._on_grid(stream.filter("trim", end_frame=frames), f"N+{first}" if first else "N")

    def _on_grid(self, stream: Any, number: str) -> Any:
        return stream.filter("settb", f"{1 / self.rate}").filter("setpts", number)


def _fitted(stream: Any, video: VideoStream, item: Item, pix_fmt: str) -> Any:
    """Cropped and fitted to the box."""
    layer = item.layer
    if layer.look.crop:
        stream = effects.cropped(stream, layer.look.crop)
    if layer.fit != "blur-pad":
        return _conformed(stream, video, item.place, pix_fmt)
    whole, size = rect_of(layer.box), cropped_size(layer.look.crop, (video.width, video.height))
    behind, front = (placement(fit, layer.box, size, whole) for fit in ("cover", "contain"))
    if behind is None or front is None:
        return _conformed(stream, video, item.place, pix_fmt)
    both = stream.filter_multi_output("split")
    blurred = colouring.blurred(_conformed(both[0], video, behind, pix_fmt), blur_pad_sigma(layer.box))
    sharp = _conformed(both[1], video, front, pix_fmt)
    padded = ffmpeg.overlay(blurred, sharp, x=front.shown.x - layer.box.x, y=front.shown.y - layer.box.y)
    shown, place = item.place.shown, item.place
    if (shown.width, shown.height) != (place.width, place.height):
        padded = padded.filter("crop", shown.width, shown.height, place.left, place.top)
    return padded.filter("format", pix_fmts=pix_fmt, **colour.OUTPUT)


def _conformed(stream: Any, video: VideoStream, placed: Placement, pix_fmt: str) -> Any:
    """In the output's colours, scaled, cropped, with square pixels."""
    matrix = colour.assumed_matrix(video)
    if matrix:
        stream = stream.filter("setparams", colorspace=matrix)
    stream = stream.filter("scale", placed.width, placed.height, flags="bicubic")
    shown = placed.shown
    if (shown.width, shown.height) != (placed.width, placed.height):
        stream = stream.filter("crop", shown.width, shown.height, placed.left, placed.top)
    if video.color_transfer in colour.HDR_TRANSFERS:
        stream = _tone_mapped(stream)
    return stream.filter("setsar", 1).filter("format", pix_fmts=pix_fmt, **colour.OUTPUT)


def _tone_mapped(stream: Any) -> Any:
    """From HDR to BT.709: linear light, the output's primaries, highlights rolled off (Hable's curve)."""
    linear = stream.filter("zscale", transfer="linear", npl=100).filter("format", "gbrpf32le")
    mapped = linear.filter("zscale", primaries="bt709").filter("tonemap", tonemap="hable", desat=0)
    return mapped.filter("zscale", transfer="bt709", matrix="bt709", range="tv")


def _countable(media: MediaInfo) -> bool:
    """Whether the source's frames are known to be so many, at an even rate."""
    return bool(media.video and media.video.frames and media.video.frame_rate)


def _rounds(item: Item, first: int) -> int:
    """How many times the source is opened. Raises SourceOverLimits for too many: each takes a decoder's memory."""
    rounds = ceil((first + item.frames) / (item.layer.lasts or 1))
    if rounds > MAX_ROUNDS:
        message = (
            f"Element {item.layer.element_id!r} would repeat {rounds} times; a long source in a container "
            f"that does not count its frames can be repeated {MAX_ROUNDS} times."
        )
        raise SourceOverLimits(message, details={"element_id": item.layer.element_id})
    return rounds


def _changing(item: Item) -> tuple[int, int]:
    """Of a still: the last frame of the fade in (0 without), and the first frame of the fade out (`frames` without)."""
    layer = item.layer
    last = min(max(0, layer.fade_in - item.skip), item.frames - 1) if layer.fade_in else 0
    fading = max(0, layer.frames - layer.fade_out + 1 - item.skip)
    again = min(item.frames, fading) if layer.fade_out else item.frames
    return last, max(again, last + 1)


def _begin(wanted: Fraction, media: MediaInfo, video: VideoStream) -> Fraction:
    """Where to begin in the source: as wanted, but no later than its last frame, which is then what is shown."""
    if video.frames and video.frame_rate:
        return min(wanted, max(Fraction(0), (video.frames - 1) / video.frame_rate))
    if media.duration and video.frame_rate:
        return min(wanted, max(Fraction(0), media.duration - 2 / video.frame_rate))
    return wanted


def _ends_within(seconds: Fraction, begin: Fraction, video: VideoStream) -> bool:
    """Whether the source's last frame is reached in that time; True when its number is not known."""
    if not video.frames or not video.frame_rate:
        return True
    return (begin + seconds) * video.frame_rate > video.frames - 1


def _snapped(grid: Fraction) -> str:
    """Times within a tenth of a frame of the source's own grid are put on it: Matroska rounds them to milliseconds."""
    frame = f"{grid.denominator * _MICRO}/{grid.numerator}"  # in the time base of 1 us
    return f"st(0,round(PTS/({frame})));if(lt(abs(PTS-ld(0)*({frame})),0.1*{frame}),round(ld(0)*({frame})),PTS)"


def _micro(seconds: Fraction) -> int:
    return round(seconds * _MICRO)
