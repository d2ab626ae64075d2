"""How a plan's encoder settings read on FFmpeg's command line. One function and one line of ENCODERS a codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import ffmpeg

from workflows.errors import RenderFailed
from workflows.planning.model import Encoder
from workflows.spec.outputs import ONE_PALETTE_PIXELS

AUDIO_BIT_RATE = "128k"
_TIMESCALE_FROM = 10_000
_TAGS = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv"}
# A plan's presets are x264's words; these are their neighbours in speed.
SVT_PRESETS = {"ultrafast": 12, "superfast": 11, "veryfast": 10, "faster": 9, "fast": 8, "medium": 7, "slow": 5}
VP9_SPEEDS = {"ultrafast": 5, "superfast": 5, "veryfast": 4, "faster": 3, "fast": 2, "medium": 2, "slow": 1}


def h264(encoder: Encoder) -> dict[str, Any]:
    """x264. Its output depends on the thread count, which the plan therefore fixes."""
    return {
        "c:v": "libx264",
        "preset": encoder.preset,
        "crf": encoder.crf,
        "threads:v": encoder.threads,
        "pix_fmt": "yuv420p",
        **_TAGS,
    }


def h265(encoder: Encoder) -> dict[str, Any]:
    """x265, tagged hvc1 as Apple's players want it. Its output depends on the number of frame threads."""
    threads = f"pools={encoder.threads}:frame-threads={encoder.threads}"
    return {
        "c:v": "libx265",
        "preset": encoder.preset,
        "crf": encoder.crf,
        "x265-params": f"log-level=error:info=0:{threads}",
        "tag:v": "hvc1",
        "pix_fmt": "yuv420p",
        **_TAGS,
    }


def av1(encoder: Encoder) -> dict[str, Any]:
    """SVT-AV1, whose presets are numbers. 8 bits, since phones decode that in hardware."""
    return {
        "c:v": "libsvtav1",
        "preset": SVT_PRESETS[encoder.preset],
        "crf": encoder.crf,
        "svtav1-params": f"lp={encoder.threads}",
        "pix_fmt": "yuv420p",
        **_TAGS,
    }


def vp9(encoder: Encoder) -> dict[str, Any]:
    """libvpx in constant quality, which wants a bit rate of 0."""
    return {
        "c:v": "libvpx-vp9",
        "deadline": "good",
        "cpu-used": VP9_SPEEDS[encoder.preset],
        "crf": encoder.crf,
        "b:v": 0,
        "row-mt": 1,
        "threads:v": encoder.threads,
        "pix_fmt": "yuv420p",
        **_TAGS,
    }


def prores(encoder: Encoder) -> dict[str, Any]:
    """ProRes 4444 with its alpha plane, for editing."""
    return {
        "c:v": "prores_ks",
        "profile:v": "4444",
        "vendor": "apl0",
        "threads:v": encoder.threads,
        "pix_fmt": "yuva444p10le",
        **_TAGS,
    }


def gif(encoder: Encoder) -> dict[str, Any]:
    """GIF; its palette is made by `finished`."""
    return {"c:v": "gif"}


def png(encoder: Encoder) -> dict[str, Any]:
    """PNG, without loss."""
    return {"c:v": "png", "threads:v": 1}


def jpeg(encoder: Encoder) -> dict[str, Any]:
    """JPEG; the plan's CRF is the quantiser scale."""
    return {"c:v": "mjpeg", "q:v": encoder.crf, "huffman": "optimal", "threads:v": 1}


ENCODERS: Mapping[str, Callable[[Encoder], dict[str, Any]]] = {
    "h264": h264, "h265": h265, "av1": av1, "vp9": vp9, "prores": prores, "gif": gif, "png": png, "jpeg": jpeg,
}  # fmt: skip


# Of codecs that carry an alpha plane, what it takes to write one. libvpx has no hidden frames beside it.
ALPHA: Mapping[str, dict[str, Any]] = {"vp9": {"pix_fmt": "yuva420p", "auto-alt-ref": 0}, "prores": {}, "png": {}}


def video_options(encoder: Encoder, *, alpha: bool = False) -> dict[str, Any]:
    """Output options of the picture, with an `alpha` plane where one is wanted.

    Raises RenderFailed for a codec this build does not know.
    """
    if encoder.codec not in ENCODERS:
        raise RenderFailed(f"No encoder for {encoder.codec!r}; known: {', '.join(sorted(ENCODERS))}.")
    # The graph delivers exactly the frames of the output; FFmpeg must neither drop nor repeat any.
    chosen = ENCODERS[encoder.codec](encoder) | (ALPHA.get(encoder.codec, {}) if alpha else {})
    return chosen | {"fps_mode:v": "passthrough", "flags:v": "+bitexact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What the last filters look at: whether the picture has an alpha plane, and the pixels of all its frames."""

    alpha: bool = False
    pixels: int = 0


def _palette(stream: Any, finish: Finish) -> Any:
    """256 colours, and ordered dither, which stands still where the picture does.

    The colours that suit all frames are known after the last one, and all are kept until then. So only a short GIF
    has one palette; in a longer one each frame has its own.
    """
    short = finish.pixels <= ONE_PALETTE_PIXELS
    copies = _rgb(stream, finish).filter_multi_output("split")
    colours = copies[1].filter("palettegen", stats_mode="full" if short else "single", reserve_transparent=0)
    dither = {"dither": "bayer", "bayer_scale": 5, "diff_mode": "rectangle"} | ({} if short else {"new": 1})
    return ffmpeg.filter([copies[0], colours], "paletteuse", **dither)


def _rgb(stream: Any, finish: Finish) -> Any:
    """In 8-bit RGB, with the chroma interpolated rather than repeated, and named sRGB."""
    exact = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    stream = stream.filter("scale", flags=exact).filter("format", "rgba" if finish.alpha else "rgb24")
    return stream.filter("setparams", color_trc="iec61966-2-1", color_primaries="bt709")


def _jfif(stream: Any, _: Finish) -> Any:
    """As JPEG files are read: BT.601 in full range."""
    return stream.filter("format", pix_fmts="yuv420p", color_spaces="smpte170m", color_ranges="pc")


FINISHES: Mapping[str, Callable[[Any, Finish], Any]] = {"gif": _palette, "png": _rgb, "jpeg": _jfif}


def finished(stream: Any, codec: str, finish: Finish) -> Any:
    """The composed picture as the codec wants it; most take it as it is."""
    return FINISHES[codec](stream, finish) if codec in FINISHES else stream


def aac() -> dict[str, Any]:
    """AAC."""
    return {"c:a": "aac", "b:a": AUDIO_BIT_RATE, "flags:a": "+bitexact"}


def opus() -> dict[str, Any]:
    """Opus, the sound of WebM."""
    return {"c:a": "libopus", "b:a": AUDIO_BIT_RATE, "flags:a": "+bitexact"}


def mp3() -> dict[str, Any]:
    """MP3."""
    return {"c:a": "libmp3lame", "b:a": "192k", "flags:a": "+bitexact"}


def pcm() -> dict[str, Any]:
    """16-bit samples as they are."""
    return {"c:a": "pcm_s16le", "flags:a": "+bitexact"}


def timescale(rate: Fraction) -> int:
    """Ticks a second of the file's picture track, a multiple of the rate's numerator, so that frame times are exact."""
    scale = rate.numerator
    while scale < _TIMESCALE_FROM:
        scale *= 2
    return scale
