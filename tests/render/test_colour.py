"""Sources of every kind of colour end as BT.709 limited range, by formulas of the standards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from orchestrator_tasks.ffmpeg import binary
from orchestrator_tasks.ffmpeg.probe import probe
from tests.render.conftest import Renderer, box, layer, timeline
from tests.render.expected import worst_difference
from tests.render.footage import sha256, to_yuv
from workflows.settings import Settings

COLOUR = (200, 60, 30)
BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


def flat_clip(
    path: Path,
    weights: tuple[float, float],
    *,
    full: bool = False,
    tag: int | None = None,
    size: tuple[int, int] = (320, 180),
) -> Path:
    """Five frames of COLOUR, coded with the weights of one standard, tagged or not."""
    red, green, blue = (value / 255 for value in COLOUR)
    luma = weights[0] * red + (1 - sum(weights)) * green + weights[1] * blue
    offset, span, chroma = (0, 255, 255) if full else (16, 219, 224)
    values = (
        offset + span * luma,
        128 + chroma * (blue - luma) / 2 / (1 - weights[1]),
        128 + chroma * (red - luma) / 2 / (1 - weights[0]),
    )
    width, height = size
    planes = [np.full(width * height // (4 if i else 1), round(value), np.uint8) for i, value in enumerate(values)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p" if full else "yuv420p"
        if tag is not None:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = tag, tag, tag
            context.color_range = 2 if full else 1
        for n in range(5):
            packed = np.concatenate(planes).reshape(height * 3 // 2, width)
            frame = av.VideoFrame.from_ndarray(packed, format=stream.pix_fmt)
            frame.pts = n
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("part", [False, True], ids=["whole canvas", "in a box"])
@pytest.mark.parametrize(
    "kind",
    [
        {"weights": BT709, "tag": 1},
        {"weights": BT601, "tag": 6},
        {"weights": BT709, "tag": 1, "full": True},
        {"weights": BT601, "tag": None},  # small and untagged: standard definition
        {"weights": BT709, "tag": None, "size": (1280, 720)},  # large and untagged: high definition
    ],
    ids=["709", "601", "709 full range", "untagged sd", "untagged hd"],
)
def test_a_colour_looks_the_same_whatever_it_was_coded_in(
    kind: dict, part: bool, render: Renderer, tmp_path: Path
) -> None:
    path = flat_clip(tmp_path / "flat.mp4", **kind)
    where = box(80, 40, 160, 90) if part else box()
    planes = render(timeline(layer("flat", box=where), frames=2, fill_color="#101010"), {"flat": path}).planes()[1]
    middle = tuple(plane[plane.shape[0] // 2, plane.shape[1] // 2] for plane in planes)
    wanted = to_yuv(np.array([[COLOUR]], np.uint8))
    assert np.abs(np.array(middle) - [plane[0, 0] for plane in wanted]).max() <= 3


def test_fill_and_images_are_converted_by_the_same_formula(render: Renderer, tmp_path: Path) -> None:
    Image.new("RGB", (50, 50), COLOUR).save(tmp_path / "flat.png")
    scene = timeline(layer("flat", "image", box=box(40, 40, 100, 100)), fill_color="#c83c1e", frames=1)
    planes = render(scene, {"flat": tmp_path / "flat.png"}).planes()[0]
    assert worst_difference(planes, np.broadcast_to(np.array(COLOUR, float), (180, 320, 3)).copy()) <= 1.5


def test_hdr_is_tone_mapped_into_range(render: Renderer, tmp_path: Path) -> None:
    """PQ code 0.58 is 203 cd/m2, HDR's reference white: bright after mapping, and neither clipped nor grey."""
    source = f"color=gray:s=320x180:r=30:d=0.2,format=yuv420p10le,geq=lum={64 + round(0.58 * 876)}:cb=512:cr=512"
    tags = "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
    out = tmp_path / "hdr.mp4"
    run = [str(binary.locate()), "-v", "error", "-f", "lavfi", "-i", f"{source},{tags}", "-c:v", "libx265"]
    subprocess.run([*run, "-x265-params", "log-level=none", str(out)], check=True)
    luma, blue, red = render(timeline(layer("hdr"), frames=2), {"hdr": out}).planes()[1]
    assert 150 < luma.mean() < 234
    assert abs(blue.mean() - 128) < 2 and abs(red.mean() - 128) < 2


def test_a_see_through_video_shows_what_is_behind(render: Renderer, settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "half.webm"
    left_half = "geq=lum=p(X\\,Y):cb=p(X\\,Y):cr=p(X\\,Y):a=if(lt(X\\,160)\\,255\\,0)"
    source = f"color=red:s=320x180:r=30:d=0.2,format=yuva420p,{left_half}"
    run = [
        str(binary.locate()),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-c:v",
        "libvpx-vp9",
        "-crf",
        "10",
        "-b:v",
        "0",
    ]
    subprocess.run([*run, "-pix_fmt", "yuva420p", "-deadline", "realtime", "-cpu-used", "8", str(out)], check=True)
    video = probe(out, sha256(out), settings=settings).video
    assert video is not None and video.alpha
    _, _, red = render(timeline(layer("half"), frames=2, fill_color="#00ff00"), {"half": out}).planes()[1]
    assert red[45, 40] > 200 and red[45, 120] < 50


@pytest.mark.parametrize(
    ("mode", "value", "grey"),
    [("L", 100, 100), ("LA", (100, 255), 100), ("I;16", 25700, 100), ("1", 1, 255), ("P", 7, 7)],
)
def test_pictures_of_every_mode(mode: str, value: object, grey: int, render: Renderer, tmp_path: Path) -> None:
    picture = Image.new(mode, (40, 40), value)  # type: ignore[arg-type]
    if mode == "P":
        picture.putpalette([channel for n in range(256) for channel in (n, n, n)])
    picture.save(tmp_path / "p.png")
    scene = timeline(layer("p", "image", box=box(0, 0, 40, 40)), width=40, height=40, frames=1, fill_color="#ff0000")
    luma, _, _ = render(scene, {"p": tmp_path / "p.png"}).planes()[0]
    assert abs(luma[20, 20] - (16 + 219 * grey / 255)) <= 1.5
