"""Rounded boxes and masks, drawn by librsvg with smooth edges. Only our own numbers are ever written into the SVG."""

from __future__ import annotations

from math import ceil

import numpy as np

from orchestrator_tasks.ffmpeg import colour, text
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


def shape(box: Box, look: Look, fill_color: str, area: Rect) -> Pixels:
    """A rounded rectangle, filled, with its stroke inside its edge."""
    edge = float(look.stroke.width) if look.stroke else 0
    # Under an opaque stroke the fill ends in its midst: at the very edge it would shine through the smoothing.
    under = edge / 2 if look.stroke and colour.parse(look.stroke.color)[3] == 255 else 0
    body = f"<rect {_inset(box, look, under)} {_paint('fill', fill_color)}/>"
    return draw(body + (_line(box, look) if edge else ""), area)


def outline(box: Box, look: Look, area: Rect) -> Pixels:
    """The stroke alone."""
    return draw(_line(box, look), area)


def panel(block: Rect, padding: float, radius: float, color: str) -> tuple[Pixels, int, int]:
    """A rounded rectangle around `block`, and where its pixels begin."""
    area = block.grown(ceil(padding))
    x, y, width, height = block.x - padding, block.y - padding, block.width + 2 * padding, block.height + 2 * padding
    corner = min(radius, width / 2, height / 2)
    place = f'x="{x:.4f}" y="{y:.4f}" width="{width:.4f}" height="{height:.4f}" rx="{corner:.4f}"'
    return draw(f"<rect {place} {_paint('fill', color)}/>", area), area.x, area.y


def _line(box: Box, look: Look) -> str:
    if look.stroke is None:
        return ""
    width = min(float(look.stroke.width), box.width / 2, box.height / 2)
    paint = f'fill="none" {_paint("stroke", look.stroke.color)} stroke-width="{width:.4f}"'
    return f"<rect {_inset(box, look, width / 2)} {paint}/>"


def _inset(box: Box, look: Look, by: float) -> str:
    """The rounded box made smaller by `by` on every side."""
    by = min(by, box.width / 2, box.height / 2)
    across, down = (max(0.0, float(radius) - by) if radius else 0.0 for radius in look.radii)
    place = f'x="{box.x + by:.4f}" y="{box.y + by:.4f}" width="{box.width - 2 * by:.4f}"'
    return f'{place} height="{box.height - 2 * by:.4f}" rx="{across:.4f}" ry="{down:.4f}"'


def _paint(what: str, color: str) -> str:
    red, green, blue, alpha = colour.parse(color)
    return f'{what}="rgb({red},{green},{blue})" {what}-opacity="{alpha / 255:.6f}"'


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
