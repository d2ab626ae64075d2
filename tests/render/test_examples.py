"""The example jobs of the scene's features, rendered: every element that should be seen changes the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator_tasks.ffmpeg.probe import probe
from tests.render.conftest import Renderer
from tests.render.footage import clip, sha256, wav
from workflows.settings import Settings
from workflows.spec.schema import load
from workflows.spec.timeline import Timeline, resolve


def photo(n: int, width: int, height: int) -> np.ndarray:
    """Checks over slopes of color, with a bar that moves."""
    y, x = np.mgrid[:height, :width]
    picture = np.dstack([x * 255 // width, y * 255 // height, (x // 20 + y // 20) % 2 * 120 + 60]).astype(np.uint8)
    picture[:, n * 8 % width : n * 8 % width + 40] = 255
    return picture


def source(folder: Path, url: str) -> Path:
    path = folder / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    if path.suffix == ".mp4":
        return clip(path, frames=60, size=(160, 284) if "portrait" in url else (320, 180), picture=photo).path
    if path.suffix == ".mp3":  # the name says little: the probe tells what it is
        wav(path, np.full((48000, 2), 0.1))
    else:
        Image.fromarray(photo(3, 300, 200)).save(path)
    return path


def moment(timeline: Timeline, frame: int) -> Timeline:
    """The timeline's one frame, silent."""
    layers = tuple(replace(layer, start=layer.start - frame) for layer in timeline.layers)
    return replace(timeline, layers=layers, sounds=(), frames=1)


@pytest.mark.parametrize("name", ["look", "drawn", "colors", "playing", "blend"])
def test_every_element_is_seen(name: str, tmp_path: Path, render: Renderer, settings: Settings) -> None:
    spec = load(json.loads((files("workflows.spec") / "examples" / f"{name}.json").read_text()))
    paths = {one.source: source(tmp_path, one.source) for one in spec.elements if one.source}
    media = {url: probe(path, sha256(path), settings=settings) for url, path in paths.items()}
    timeline = resolve(spec, media)
    whole = moment(timeline, round(timeline.duration * Fraction(1, 3) * timeline.frame_rate))
    luma = render(whole, paths).planes()[0]
    shown = [layer for layer in whole.layers if layer.start <= 0 < layer.start + layer.frames]
    assert len(shown) >= 3
    for layer in shown:
        without = replace(whole, layers=tuple(other for other in whole.layers if other is not layer))
        other = render(without, paths).planes()[0]
        changed = max(float((np.abs(a - b) > 8).sum()) for a, b in zip(luma, other, strict=True))
        assert changed > 200, layer.element_id
