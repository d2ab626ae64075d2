"""Still pictures to pixels: decoded by Pillow under limits, scaled once, cropped to what is visible."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from orchestrator_tasks.ffmpeg.geometry import Placement
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.errors import SourceCorrupt, SourceNotMedia, SourceOverLimits

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def draw(path: Path, placed: Placement, max_pixels: int) -> Pixels:
    """The visible part of the picture as straight RGBA; of an animation, the first frame.

    Raises SourceNotMedia, SourceCorrupt, SourceOverLimits.
    """
    with open_picture(path, max_pixels) as picture:
        try:
            upright = _eight_bit(ImageOps.exif_transpose(picture)).convert("RGBA")
        except (OSError, SyntaxError, ValueError) as err:  # what Pillow's decoders raise on damaged data
            raise SourceCorrupt(f"The picture cannot be decoded: {err}") from err
    return np.array(_scaled(upright, placed))


def open_picture(path: Path, max_pixels: int) -> Image.Image:
    """The picture with its header read and nothing decoded. Raises SourceNotMedia, SourceOverLimits."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is checked below
            picture = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as err:
        raise SourceOverLimits(f"The picture has more than {max_pixels} pixels.") from err
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as err:
        raise SourceNotMedia("The file is not a PNG, JPEG, WebP or GIF picture.") from err
    if picture.width * picture.height > max_pixels:
        picture.close()
        raise SourceOverLimits(
            f"The picture is {picture.width} x {picture.height}; at most {max_pixels} pixels are taken.",
        )
    return picture


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey in 8 bits: Pillow's own conversion cuts everything above 255 to white."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture


def _scaled(picture: Image.Image, placed: Placement) -> Image.Image:
    """Only the part of the source under the visible part is resampled: a large picture may be mostly off the canvas."""
    across, down = picture.width / placed.width, picture.height / placed.height
    left, top = placed.left * across, placed.top * down
    shown = placed.shown
    part = (left, top, left + shown.width * across, top + shown.height * down)
    return picture.resize((shown.width, shown.height), Image.Resampling.LANCZOS, box=part)
