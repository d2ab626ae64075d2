"""Shapes, strokes, shadows and what is done to text, against NumPy and SciPy."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

from orchestrator_tasks.ffmpeg import text
from orchestrator_tasks.ffmpeg.distance import widened
from tests.render.conftest import Renderer, box, layer, style, timeline
from tests.render.footage import still, to_yuv
from tests.render.test_look import look
from workflows.spec.model import Shadow, Stroke
from workflows.spec.timeline import Layer


def shown(render: Renderer, *layers: Layer, fill: str = "#000000", **files: Path) -> np.ndarray:
    """Luma (0 to 1) of the one frame of layers on a color."""
    return (render(timeline(*layers, frames=1, fill_color=fill), files).planes()[0][0] - 16) / 219


def shape(fill: str = "#ffffff", **changes: object) -> Layer:
    return layer(None, "shape", fit="fill", fill_color=fill, frames=1, **({"box": box(80, 40, 160, 100)} | changes))


def inside(radius: float, inset: float = 0, scale: int = 8) -> np.ndarray:
    """Coverage of each pixel by the box 160x100 at 80, 40, made smaller by `inset`, counted in points."""
    y, x = (np.mgrid[: 180 * scale, : 320 * scale] + 0.5) / scale
    corner = max(0.0, radius - inset)
    dx, dy = np.abs(x - 160) - (80 - inset - corner), np.abs(y - 90) - (50 - inset - corner)
    if corner:
        covered = (np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2 <= corner**2) & (np.maximum(dx, dy) <= corner)
    else:
        covered = np.maximum(dx, dy) <= 0
    return covered.reshape(180, scale, 320, scale).mean((1, 3))


@pytest.mark.parametrize(("radius", "width"), [(0, "8"), (30, "8"), (30, "2.5"), (50, "20")])
def test_a_stroke_lies_inside_the_edge(radius: int, width: str, render: Renderer) -> None:
    line = Stroke(color="#ffffff", width=Fraction(width))
    luma = shown(render, shape("#808080", look=look(radii=(radius, radius), stroke=line)))
    outer, inner = inside(radius), inside(radius, float(width))
    wanted = inner * 128 / 255 + (outer - inner)
    assert np.abs(luma - wanted).max() < 0.12 and np.abs(luma - wanted).mean() < 0.002


def test_a_see_through_stroke_lies_over_the_fill(render: Renderer) -> None:
    line = Stroke(color="#0000ff80", width=Fraction(10))
    picture = render(timeline(shape("#ff0000", look=look(stroke=line)), frames=1), {}).planes()[0]
    luma, blue, red = to_yuv(np.array([[[127, 0, 128]]]))
    assert abs(picture[0][44:46, 84:236] - luma).max() <= 2
    assert abs(picture[1][22, 42:118] - blue).max() <= 2 and abs(picture[2][22, 42:118] - red).max() <= 2


def test_an_outline_has_nothing_in_it(render: Renderer) -> None:
    luma = shown(
        render, shape("#00000000", look=look(stroke=Stroke(color="#ffffff", width=Fraction(4)))), fill="#ff0000"
    )
    red = 0.2126
    assert np.abs(luma[46:134, 86:234] - red).max() < 0.02 and np.abs(luma[40:44, 80:240] - 1).max() < 0.02


@pytest.mark.parametrize(("blur", "x", "y"), [("0", "0", "12"), ("16", "10", "-6"), ("30", "2.5", "0")])
def test_a_shadow_is_the_shape_blurred_moved_and_behind(blur: str, x: str, y: str, render: Renderer) -> None:
    cast = Shadow(color="#000000cc", blur=Fraction(blur), x=Fraction(x), y=Fraction(y))
    luma = shown(render, shape("#808080", look=look(radii=(20, 20), shadow=cast)), fill="#ffffff")
    covered = inside(20)
    sigma = float(blur) / 2
    soft = gaussian_filter(covered, sigma) if sigma else covered
    moved = np.roll(soft, (int(float(y)), int(float(x))), (0, 1))
    if float(x) % 1:
        moved = (moved + np.roll(moved, 1, 1)) / 2
    wanted = (1 - 0.8 * moved) * (1 - covered) + covered * 128 / 255
    assert np.abs(luma - wanted).max() < 0.06 and np.abs(luma - wanted).mean() < 0.006


def test_a_shadow_turns_with_its_element_and_comes_from_beside_the_canvas(render: Renderer) -> None:
    below = Shadow(color="#ffffff", blur=Fraction(0), x=Fraction(0), y=Fraction(40))
    turned = shown(render, shape("#800000", box=box(140, 70, 40, 40), look=look(rotation=Fraction(90), shadow=below)))
    assert turned[75:105, 105:135].min() > 0.98 and turned[120:, :].max() < 0.02
    beside = shown(render, shape(box=box(100, -80, 60, 60), look=look(shadow=Shadow(
        color="#ffffff", blur=Fraction(0), x=Fraction(0), y=Fraction(100)))))  # fmt: skip
    assert beside[22:78, 102:158].min() > 0.98 and beside[85:].max() < 0.02


def test_an_image_has_them_too(render: Renderer, tmp_path: Path) -> None:
    path = still(tmp_path / "g.png", np.full((100, 160, 4), (128, 128, 128, 255), np.uint8)).path
    dressed = look(
        radii=(30, 30), stroke=Stroke(color="#ffffff", width=Fraction(8)),
        shadow=Shadow(color="#404040", blur=Fraction(0), x=Fraction(0), y=Fraction(20)),
    )  # fmt: skip
    luma = shown(render, layer("g", "image", box=box(80, 40, 160, 100), look=dressed, frames=1), g=path)
    outer, inner = inside(30), inside(30, 8)
    shadow = np.roll(outer, 20, 0) * 64 / 255
    wanted = inner * 128 / 255 + (outer - inner) + (1 - outer) * shadow
    assert np.abs(luma - wanted).max() < 0.15 and np.abs(luma - wanted).mean() < 0.002


@pytest.mark.parametrize("by", [1, 2.5, 7])
def test_coverage_is_widened_by_a_distance(by: float) -> None:
    y, x = (np.mgrid[:640, :640] + 0.5) / 8
    disc, ring = (
        ((x - 40) ** 2 + (y - 37.3) ** 2 <= r**2).reshape(80, 8, 80, 8).mean((1, 3)) for r in (12.2, 12.2 + by)
    )
    got = widened(np.rint(disc * 255).astype(np.uint8), by) / 255
    assert np.abs(got - ring).max() < 0.4 and abs(got.sum() / ring.sum() - 1) < 0.012


def test_letters_keep_their_weight_inside_a_stroke(render: Renderer) -> None:
    words, place = style("Stroke", font_size=Fraction(60), font_weight=700, fill_color="#ff0000"), box(40, 40, 280, 100)
    plain = text.draw(words, 280)
    line = Stroke(color="#ffffff", width=Fraction(3))
    luma = shown(render, layer(None, "text", text=words, box=place, look=look(stroke=line), frames=1))
    cover = np.zeros((180, 320))
    top, left = 40 + plain.y, 40 + plain.x
    cover[top : top + plain.pixels.shape[0], left : left + plain.pixels.shape[1]] = plain.pixels[..., 3] / 255
    fine = zoom(cover, 4, order=1, grid_mode=True, mode="nearest") > 0.5
    near = (distance_transform_edt(~fine) / 4 <= 3).reshape(180, 4, 320, 4).mean((1, 3))
    wanted = cover * 0.2126 + (np.maximum(near, cover) - cover)
    assert np.abs(luma - wanted).mean() < 0.01
    assert abs(luma.sum() / wanted.sum() - 1) < 0.02


def test_a_background_is_as_high_as_the_lines_and_wider_by_its_padding(render: Renderer) -> None:
    """Inter's lines are 1984 + 494 of 2048 of its size high (its hhea table)."""
    words = style("aceno aceno aceno", font_size=Fraction(40), background_color="#ffffff", fill_color="#ffffff",
                  background_padding=Fraction(10))  # fmt: skip
    plain = text.draw(words, 160)
    luma = shown(render, layer(None, "text", text=words, box=box(60, 20, 160, 160), frames=1))
    rows, columns = np.nonzero(luma > 0.9)
    line = 40 * (1984 + 494) / 2048
    assert abs(rows.min() - 10) <= 1 and abs(rows.max() + 1 - (30 + 3 * line)) <= 2
    assert abs(columns.min() - (60 + plain.x - 10)) <= 1
    assert abs(columns.max() + 1 - (60 + plain.x + plain.pixels.shape[1] + 10)) <= 1


def test_spacing_of_letters_and_lines() -> None:
    close, wide = (text.draw(style("iiiii", letter_spacing=Fraction(n)), 900).pixels.shape[1] for n in (0, 10))
    assert abs(wide - close - 40) <= 1
    near, far = (text.draw(style("H\nH", line_height=n), 900).pixels.shape[0] for n in (1.0, 2.0))
    assert abs(far - near - 40) <= 1  # one more font size of 40 px between the lines
    assert abs(near - (40 + 40 * 0.727)) <= 2  # capitals are 0.727 high


def test_letters_are_transformed() -> None:
    def same(transform: str, written: str, shown: str) -> bool:
        one = text.draw(style(written, text_transform=transform), 900).pixels
        other = text.draw(style(shown), 900).pixels
        return one.shape == other.shape and bool((one == other).all())

    assert same("uppercase", "straße, it's", "STRASSE, IT'S")
    assert same("lowercase", "LOUD Words", "loud words")
    assert same("capitalize", "o'neil says\nélan vital", "O'neil Says\nÉlan Vital")
    assert same("none", "As it Is", "As it Is")


LONG = "The quick brown fox jumps over the lazy dog and runs away from all of the hounds."


def test_an_ellipsis_ends_what_does_not_fit() -> None:
    whole = text.draw(style(LONG, font_size=Fraction(30)), 300)
    assert whole.pixels.shape[0] > 120
    for height in (40, 80, 120):
        cut = text.draw(style(LONG, font_size=Fraction(30), text_overflow="ellipsis"), 300, height)
        assert height - 40 < cut.y + cut.pixels.shape[0] <= height
    fits = text.draw(style(LONG, font_size=Fraction(30), text_overflow="ellipsis"), 300, 400)
    assert (fits.pixels == whole.pixels).all()
    shorter = [text.draw(style(f"{LONG[:n].rstrip()}…", font_size=Fraction(30)), 300).pixels for n in range(10, 30)]
    one_line = text.draw(style(LONG, font_size=Fraction(30), text_overflow="ellipsis"), 300, 40).pixels
    assert any(one_line.shape == each.shape and (one_line == each).all() for each in shorter)


@pytest.mark.parametrize(("width", "height"), [(300, 100), (600, 60), (120, 500), (1800, 900)])
def test_an_automatic_size_is_the_largest_that_fits(width: int, height: int) -> None:
    words = "Seven wondrous words that have to fit"
    auto = text.draw(style(words, font_size=None), width, height).pixels

    def size(n: int) -> np.ndarray:
        return text.draw(style(words, font_size=Fraction(n, 2)), width, height).pixels

    [chosen] = [n for n in range(10, 600) if abs(n - auto.shape[0]) < 600 and same_pixels(size(n), auto)]
    assert auto.shape[1] <= width and auto.shape[0] <= height
    larger = text.draw(style(words, font_size=Fraction(chosen + 6, 2)), width, 9999)
    lines = text.draw(style(f"{words}\nH", font_size=Fraction(chosen + 6, 2)), width, 9999)
    widest = text.draw(style("wondrous", font_size=Fraction(chosen + 6, 2)), 9999).pixels.shape[1]
    foot = text.draw(style("H", font_size=Fraction(chosen + 6, 2)), 9999)
    too_high = lines.y + lines.pixels.shape[0] - foot.y - foot.pixels.shape[0] > height
    assert too_high or widest > width or larger.pixels.shape[0] > height


def same_pixels(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def test_an_automatic_size_obeys_its_bounds() -> None:
    small = text.draw(style(LONG, font_size=None, font_size_minimum=Fraction(40)), 100, 40)
    assert same_pixels(small.pixels, text.draw(style(LONG, font_size=Fraction(40)), 100).pixels)
    large = text.draw(style("Hi", font_size=None, font_size_maximum=Fraction(30)), 1000, 1000)
    assert same_pixels(large.pixels, text.draw(style("Hi", font_size=Fraction(30)), 1000).pixels)
