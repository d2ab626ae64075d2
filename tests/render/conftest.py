"""Renders small timelines for real and reads the result back with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.probe import probe
from orchestrator_tasks.ffmpeg.run import run
from tests.render.footage import sha256
from workflows.planning.model import Encoder
from workflows.settings import Settings
from workflows.spec.model import TextStyle
from workflows.spec.timeline import Box, Layer, Sound, Timeline

LOSSLESS = Encoder(codec="h264", preset="ultrafast", crf=0, threads=2)  # x264 at crf 0 keeps every sample
PLAIN = Encoder(codec="h264", preset="veryfast", crf=21, threads=2)


def layer(source: str | None, kind: str = "video", **changes: Any) -> Layer:
    """A layer that fills a 320x180 canvas for 10 frames."""
    values: dict[str, Any] = {
        "element_id": source or "text", "kind": kind, "source": source, "start": 0, "frames": 10, "box": box(),
        "fit": "cover", "opacity": 1.0, "trim_start": Fraction(0), "fade_in": 0, "fade_out": 0, "text": None,
    }  # fmt: skip
    return Layer(**(values | changes))


def box(x: int = 0, y: int = 0, width: int = 320, height: int = 180) -> Box:
    return Box(x=x, y=y, width=width, height=height)


def style(text: str, **changes: Any) -> TextStyle:
    values: dict[str, Any] = {
        "text": text, "font_family": "Inter", "font_weight": 400, "font_size": Fraction(40), "fill_color": "#ffffff",
        "text_align": "left",
    }  # fmt: skip
    return TextStyle(**(values | changes))


def sound(source: str, **changes: Any) -> Sound:
    values: dict[str, Any] = {
        "element_id": source, "source": source, "start": Fraction(0), "duration": Fraction(1),
        "trim_start": Fraction(0), "volume": 1.0, "fade_in": Fraction(0), "fade_out": Fraction(0),
    }  # fmt: skip
    return Sound(**(values | changes))


def timeline(*layers: Layer, sounds: tuple[Sound, ...] = (), **changes: Any) -> Timeline:
    values: dict[str, Any] = {
        "width": 320, "height": 180, "frame_rate": Fraction(30), "frames": 10, "fill_color": "#204060",
        "layers": layers, "sounds": sounds, "assumed": (),
    }  # fmt: skip
    return Timeline(**(values | changes))


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A rendered file, read back."""

    path: Path
    argv: tuple[str, ...]
    warnings: tuple[Any, ...]

    def planes(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Y, U, V of every frame."""
        with av.open(str(self.path)) as container:
            return [_planes(frame) for frame in container.decode(video=0)]


def _planes(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert frame.format.name == "yuv420p"
    packed = frame.to_ndarray().astype(float)
    height, width = frame.height, frame.width
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return packed[:height], chroma[0], chroma[1]


Renderer = Callable[..., Rendered]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "home"))


@pytest.fixture
def render(tmp_path: Path, settings: Settings) -> Renderer:
    """Compile and run a timeline over files; probes are real."""

    def rendered(
        scene: Timeline,
        files: Mapping[str, Path],
        encoder: Encoder = LOSSLESS,
        *,
        change: Callable[[list[str]], list[str]] = list,
        suffix: str = ".mp4",
        **options: Any,
    ) -> Rendered:
        number = len(list(tmp_path.glob("work-*")))
        workspace = tmp_path / f"work-{number}"
        workspace.mkdir()
        media = {name: probe(path, sha256(path), settings=settings) for name, path in files.items()}
        command = compile_timeline(scene, media, files, encoder, workspace, out=workspace / f"out{suffix}", **options)
        object.__setattr__(command, "argv", tuple(change(list(command.argv))))
        run(command)
        return Rendered(path=command.out, argv=command.argv, warnings=command.warnings)

    return rendered
