"""Still pictures to pixels: decoded by Pillow under limits, scaled once, cropped to what is visible."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from orchestrator_tasks.ffmpeg.geometry import Placement, blur_pad_sigma, placement, rect_of
from orchestrator_tasks.ffmpeg.raster import Pixels
from workflows.errors import SourceCorrupt, SourceNotMedia, SourceOverLimits
from workflows.spec.look import CropShares
from workflows.spec.timeline import Box, Layer

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def draw(path: Path, layer: Layer, placed: Placement, max_pixels: int) -> Pixels:
    """The visible part of the layer's picture as straight RGBA; of an animation, the first frame.

    Raises SourceNotMedia, SourceCorrupt, SourceOverLimits.
    """
    with open_picture(path, max_pixels) as picture:
        try:
            upright = _eight_bit(ImageOps.exif_transpose(picture)).convert("RGBA")
        except (OSError, SyntaxError, ValueError) as err:  # what Pillow's decoders raise on damaged data
            raise SourceCorrupt(f"The picture cannot be decoded: {err}") from err
    if layer.look.crop:
        upright = _cropped(upright, layer.look.crop)
    if layer.fit == "blur-pad":
        return np.array(_blur_padded(upright, layer.box, placed))
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


def _cropped(picture: Image.Image, crop: CropShares) -> Image.Image:
    left, top = round(crop.x * picture.width), round(crop.y * picture.height)
    right = max(left + 1, round((crop.x + crop.width) * picture.width))
    return picture.crop((left, top, right, max(top + 1, round((crop.y + crop.height) * picture.height))))


def _blur_padded(picture: Image.Image, box: Box, placed: Placement) -> Image.Image:
    """The picture contained, over itself covering the box and blurred; only then cut to what is visible."""
    whole, size = rect_of(box), (picture.width, picture.height)
    behind, front = (placement(fit, box, size, whole) for fit in ("cover", "contain"))
    if behind is None or front is None:
        return _scaled(picture, placed)
    padded = _scaled(picture, behind).filter(ImageFilter.GaussianBlur(blur_pad_sigma(box)))
    padded.alpha_composite(_scaled(picture, front), (front.shown.x - box.x, front.shown.y - box.y))
    return padded.crop((placed.left, placed.top, placed.left + placed.shown.width, placed.top + placed.shown.height))


def _scaled(picture: Image.Image, placed: Placement) -> Image.Image:
    """Only the part of the source under the visible part is resampled: a large picture may be mostly off the canvas."""
    across, down = picture.width / placed.width, picture.height / placed.height
    left, top = placed.left * across, placed.top * down
    shown = placed.shown
    part = (left, top, left + shown.width * across, top + shown.height * down)
    return picture.resize((shown.width, shown.height), Image.Resampling.LANCZOS, box=part)
