"""Rounded boxes and masks, drawn by librsvg with smooth edges. Only our own numbers are ever written into the SVG."""

from __future__ import annotations

import numpy as np

from orchestrator_tasks.ffmpeg import text
from orchestrator_tasks.ffmpeg.geometry import Rect
from orchestrator_tasks.ffmpeg.raster import Coverage, Pixels
from workflows.spec.look import Look
from workflows.spec.timeline import Box


def coverage(box: Box, look: Look, picture: Rect, area: Rect) -> Coverage:
    """How much of each pixel of `area` lies inside the rounded, turned box and inside its `picture`."""
    inside = _rectangle(Rect(x=box.x, y=box.y, width=box.width, height=box.height), look)
    part = f'<clipPath id="p"><rect {_place(picture)}/></clipPath>'
    drawn = f'<g transform="{_turn(box, look)}"><g clip-path="url(#p)">{inside}</g></g>'
    return np.ascontiguousarray(draw(f"<defs>{part}</defs>{drawn}", area)[..., 3])


def draw(elements: str, area: Rect) -> Pixels:
    """What lies in `area` of the canvas, as straight RGBA, of SVG elements in canvas coordinates."""
    view = f"{area.x} {area.y} {area.width} {area.height}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{area.width}" height="{area.height}" viewBox="{view}">'
    image = text.vips().Image.svgload_buffer(f"{head}{elements}</svg>".encode(), unlimited=True)
    return np.array(image.numpy(), np.uint8)


def _rectangle(rect: Rect, look: Look) -> str:
    across, down = (float(radius) for radius in look.radii)
    return f'<rect {_place(rect)} rx="{across:.4f}" ry="{down:.4f}" fill="#fff"/>'


def _place(rect: Rect) -> str:
    return f'x="{rect.x}" y="{rect.y}" width="{rect.width}" height="{rect.height}"'


def _turn(box: Box, look: Look) -> str:
    return f"rotate({float(look.rotation):.6f} {box.x + box.width // 2} {box.y + box.height // 2})"
