"""Colours of the output: how `#rrggbb[aa]` is read and how pictures of other colour spaces become BT.709 limited.

Compositing happens in gamma-coded BT.709 limited range 4:2:0; everything is converted on the way in, once.
"""

from __future__ import annotations

from workflows.spec.media import VideoStream

# What the composition's pictures are, in the words of FFmpeg's `format` filter. It converts only where they differ.
OUTPUT = {"color_spaces": "bt709", "color_ranges": "tv"}
TAGS = {"range": "tv", "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})


def parse(color: str) -> tuple[int, int, int, int]:
    """Red, green, blue, alpha (0-255) of `#rgb`, `#rrggbb` or `#rrggbbaa`."""
    digits = color.removeprefix("#")
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, *alpha = bytes.fromhex(digits)
    return red, green, blue, alpha[0] if alpha else 255


def assumed_matrix(video: VideoStream) -> str | None:
    """The matrix of a picture that names none, as players guess it: BT.709 from 720p on, BT.601 below.

    None when the stream says what it is, or has no matrix (RGB).
    """
    if video.color_space is not None or _is_rgb(video.pix_fmt):
        return None
    hd = max(video.width, video.height) >= 1280 or min(video.width, video.height) > 576
    return "bt709" if hd else "smpte170m"


def _is_rgb(pix_fmt: str) -> bool:
    return pix_fmt.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8"))
