"""Memory and disk of one render, estimated from what FFmpeg keeps at once. Pure.

Checked against the 369 MB peak of a 10 s 1080p render with two videos, a logo and a title; meant to be on the safe
side, since reservations are made from it.
"""

from __future__ import annotations

from math import prod

from workflows.analysis.features import Media, on_canvas, source_size, text_area, visible
from workflows.spec.outputs import ONE_PALETTE_PIXELS
from workflows.spec.timeline import Layer, Timeline

MIB = 1024**2
BASE_BYTES = 128 * MIB  # the program, audio, queues between threads
ENCODER_FRAMES = 60  # lookahead, references and threads of x264, in frames of 1.5 bytes a pixel
DECODER_FRAMES = 16  # references and frame threads of one video decoder
PALETTE_BYTES = 4  # a pixel of a GIF that waits for its palette
STILL_COPIES = 2  # RGBA, before and after scaling
OUTPUT_BITS_PER_PIXEL = 0.25  # noisy pictures at CRF 21; the easy clip above needs 0.11
# Of codecs that have no such CRF; an easy clip needed 10.5, 4.1, 11 and 0.9 bits.
BITS_PER_PIXEL = {"prores": 14, "gif": 8, "png": 24, "jpeg": 4}
SOUND_BYTES_PER_S = 16_000
PCM_BYTES_PER_S = 192_000
PCM = frozenset({"prores", "wav"})  # outputs whose sound is not coded
SOURCE_BYTES_PER_S = 1_250_000  # 10 Mb/s, for sources not fetched yet
STILL_BYTES = 4 * MIB
LOOP_BYTES = 200_000_000  # of frames for one loop, at most


def memory_bytes(timeline: Timeline, media: Media, codec: str = "h264") -> int:
    """Peak memory of the render."""
    encoder = timeline.width * timeline.height * 1.5 * ENCODER_FRAMES
    if codec == "gif":
        encoder += min(timeline.frames * prod(timeline.output_size), ONE_PALETTE_PIXELS) * PALETTE_BYTES
    return int(BASE_BYTES + encoder + sum(_held(layer, timeline, media) for layer in visible(timeline, media)))


def disk_bytes(timeline: Timeline, media: Media, codec: str = "h264") -> int:
    """Scratch of the whole job: the sources and the output, the output twice (written, then moved up front)."""
    pixels = timeline.frames * timeline.width * timeline.height
    output = pixels * BITS_PER_PIXEL.get(codec, OUTPUT_BITS_PER_PIXEL) / 8
    output += float(timeline.duration) * (PCM_BYTES_PER_S if codec in PCM else SOUND_BYTES_PER_S)
    return int(2 * output + sum(_file(url, timeline, media) for url in timeline.sources))


def _held(layer: Layer, timeline: Timeline, media: Media) -> float:
    if layer.text:
        return min(on_canvas(layer.box, timeline), text_area(layer.text, layer.box)) * 4.0 * STILL_COPIES
    if layer.kind == "shape":
        return on_canvas(layer.bounds, timeline) * 4.0 * STILL_COPIES
    width, height = source_size(layer, media)
    if layer.kind == "image":
        return width * height * 4.0 * STILL_COPIES
    return width * height * 1.5 * DECODER_FRAMES + _kept(layer, timeline)


def _kept(layer: Layer, timeline: Timeline) -> float:
    """Frames a loop keeps in memory; beyond the compiler's limit it reads its file again instead."""
    if layer.on_short != "loop":
        return 0
    return min(LOOP_BYTES, (layer.lasts or 1) * on_canvas(layer.box, timeline) * 2.5)


def _file(url: str, timeline: Timeline, media: Media) -> int:
    if url in media:
        return media[url].size_bytes
    if all(layer.kind == "image" for layer in timeline.layers if layer.source == url) and not any(
        sound.source == url for sound in timeline.sounds
    ):
        return STILL_BYTES
    return int(float(timeline.duration) * SOURCE_BYTES_PER_S)
