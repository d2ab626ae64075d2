"""One timeline, local files, one FFmpeg command. Reads pictures and writes rasters; runs nothing."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import ffmpeg

from orchestrator_tasks.ffmpeg import audio, binary, containers, encoders, graph, images, looks, raster, text
from orchestrator_tasks.ffmpeg.command import RenderCommand, RenderWarning
from orchestrator_tasks.ffmpeg.encoders import Finish
from orchestrator_tasks.ffmpeg.geometry import Rect
from orchestrator_tasks.ffmpeg.graph import Item
from orchestrator_tasks.ffmpeg.inputs import InputFile, Inputs, Limits
from orchestrator_tasks.ffmpeg.looks import Drawn
from orchestrator_tasks.ffmpeg.picture import Composer
from orchestrator_tasks.ffmpeg.raster import Raster
from workflows.errors import OrchestratorError
from workflows.planning.model import Encoder
from workflows.spec.media import MediaInfo
from workflows.spec.timeline import Timeline

COMPILER = "2"  # changes when the same timeline may give other pixels: part of cache keys
_LONGEST_ARGUMENT = 100_000  # Linux takes 131 071 bytes
_DEEP_GRAPH = 50_000  # ffmpeg-python walks the graph by recursion, one call a filter


def compile_timeline(
    timeline: Timeline,
    media: Mapping[str, MediaInfo],
    files: Mapping[str, Path],
    encoder: Encoder,
    workspace: Path,
    *,
    out: Path,
    program: Path | None = None,
    limits: Limits | None = None,
    without: Collection[str] = (),
    output_format: str = "mp4",
    loop: bool = True,
) -> RenderCommand:
    """The command that renders `timeline` into `out`, a file of `output_format`; `loop` is for a gif.

    `media` and `files` are by source URL; rasters and links are written into `workspace`. `without` names graph passes
    to leave out. Raises FontMissing and the source errors.
    """
    limits = limits or Limits()
    inputs = Inputs(
        workspace=workspace, rate=timeline.frame_rate, threads=encoder.threads, limits=limits, media=media, files=files
    )
    drawing = Drawing(files=files, limits=limits)
    streams, options = [], containers.options(output_format, timeline.frame_rate, loop=loop)
    if timeline.width:
        scene = graph.optimise(graph.build(timeline, media), without)
        composed = Composer(inputs=inputs, draw=lambda item: drawing.draw(item, scene.canvas)).compose(scene)
        finish = Finish(alpha=scene.pix_fmt == "yuva420p", pixels=timeline.frames * prod(timeline.output_size))
        streams.append(encoders.finished(_scaled(composed, timeline), encoder.codec, finish))
        options |= encoders.video_options(encoder, alpha=finish.alpha)
    sound = audio.mix(timeline, inputs)
    if sound is not None:
        streams.append(sound)
        options |= containers.CONTAINERS[output_format].sound()
    arguments = _arguments(streams, out, options)
    width, height = timeline.output_size
    return RenderCommand(
        argv=(str(program or binary.locate()), *_global_options(limits), *_spilled(arguments, workspace)),
        out=out,
        frames=timeline.frames,
        frame_rate=timeline.frame_rate,
        width=width,
        height=height,
        output_format=output_format,
        has_audio=sound is not None,
        inputs=_numbered(arguments, inputs.added),
        warnings=tuple(drawing.warnings),
        limits=limits,
    )


@dataclass(slots=True, kw_only=True)
class Drawing:
    """Draws the still items of one scene, and keeps what they lack."""

    files: Mapping[str, Path]
    limits: Limits
    warnings: list[RenderWarning] = field(default_factory=list)

    def draw(self, item: Item, onto: Rect) -> Raster | None:
        """The item's pixels on the canvas `onto`; None when nothing of it shows."""
        layer = item.layer
        if layer.kind == "text":
            return self._text(item, onto)
        if layer.kind == "shape":
            return self._placed(looks.shape(layer, item.place.shown), item, onto)
        try:
            pixels = images.draw(self.files[item.source], layer, item.place, self.limits.max_pixels)
        except OrchestratorError as err:
            err.details |= {"element_id": layer.element_id, "source": item.source}
            raise
        shown = item.place.shown
        return self._placed(looks.dressed(Drawn(pixels=pixels, x=shown.x, y=shown.y), layer), item, onto)

    def _text(self, item: Item, onto: Rect) -> Raster | None:
        layer = item.layer
        picture = text.draw(item.style, layer.box.width, layer.box.height)
        self.warnings += [_no_glyph(item, character) for character in picture.missing]
        drawn = Drawn(pixels=picture.pixels, x=layer.box.x + picture.x, y=layer.box.y + picture.y)
        block = replace(picture.block, x=layer.box.x + picture.block.x, y=layer.box.y + picture.block.y)
        return self._placed(looks.written(drawn, block, layer), item, onto)

    @staticmethod
    def _placed(drawn: Drawn, item: Item, onto: Rect) -> Raster | None:
        return raster.place(drawn.pixels, drawn.x, drawn.y, onto, item.layer.opacity)


def _no_glyph(item: Item, character: str) -> RenderWarning:
    name = f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
    message = f"The font {item.style.font_family!r} has no glyph for {name}; a box is drawn."
    return RenderWarning(element_id=item.layer.element_id, code="glyph_missing", message=message)


def _global_options(limits: Limits) -> list[str]:
    quiet = ["-nostdin", "-hide_banner", "-loglevel", "repeat+level+error", "-nostats"]
    return [*quiet, "-progress", "pipe:1", "-stats_period", "0.25", "-max_alloc", str(limits.max_alloc_bytes), "-y"]


def _scaled(stream: Any, timeline: Timeline) -> Any:
    if timeline.scale == 1:
        return stream
    width, height = timeline.output_size
    return stream.filter("scale", width, height, flags="bicubic")


def _arguments(streams: Sequence[Any], out: Path, options: Mapping[str, Any]) -> list[str]:
    with _deep_recursion():
        return list(ffmpeg.get_args(ffmpeg.output(*streams, f"file:{out}", **options)))


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEP_GRAPH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _spilled(arguments: list[str], workspace: Path) -> list[str]:
    """The arguments, with a filter graph too long for the kernel moved to a file."""
    at = arguments.index("-filter_complex")
    if len(arguments[at + 1]) < _LONGEST_ARGUMENT:
        return arguments
    file = workspace / "graph.txt"
    file.write_text(arguments[at + 1], encoding="utf-8")
    return [*arguments[:at], "-/filter_complex", str(file), *arguments[at + 2 :]]


def _numbered(arguments: list[str], added: Sequence[InputFile]) -> tuple[InputFile, ...]:
    """The inputs in the order of the command, which is ffmpeg-python's and not that of adding."""
    by_name = {f"file:{each.name}": each for each in added}
    return tuple(by_name[value] for flag, value in pairwise(arguments) if flag == "-i")
