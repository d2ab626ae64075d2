"""Text to pixels: what is drawn, where, and what is said when a font lacks something."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from orchestrator_tasks.ffmpeg import text
from tests.render.conftest import Renderer, box, layer, style, timeline
from workflows.errors import FontMissing


def ink(drawn: text.TextPicture) -> int:
    return int(drawn.pixels[..., 3].sum()) // 255


def test_the_weights_of_the_variable_font_differ() -> None:
    inks = [ink(text.draw(style("Hello", font_weight=weight), 400)) for weight in (100, 300, 400, 500, 700, 850, 900)]
    assert all(b > a * 1.03 for a, b in pairwise(inks))


def test_a_size_in_pixels_is_the_height_of_the_em() -> None:
    """Inter's capitals are 0.727 em high (its OS/2 table); at 100 px that is 73 rows of ink."""
    assert abs(text.draw(style("H", font_size=Fraction(100)), 400).pixels.shape[0] - 73) <= 1
    assert abs(text.draw(style("H", font_size=Fraction(201, 2)), 400).pixels.shape[0] - 73) <= 1


def test_markup_is_shown_and_not_obeyed() -> None:
    tagged, bare = text.draw(style("<b>a</b> & &lt;"), 900), text.draw(style("a"), 900)
    assert tagged.pixels.shape[1] > 5 * bare.pixels.shape[1]
    assert tagged.missing == ()


@pytest.mark.parametrize("odd", ["a\x00b", "a\x1bb", "a\ud800b", "a￿b", "\u202eabc"])
def test_any_text_can_be_drawn(odd: str) -> None:
    assert ink(text.draw(style(odd), 400)) > 0


def test_blank_text_has_no_pixels() -> None:
    assert text.draw(style(" \n\t "), 400).pixels.size == 0


def test_alignment_is_inside_the_box() -> None:
    left, middle, right = (text.draw(style("word", text_align=align), 600) for align in ("left", "center", "right"))
    width = left.pixels.shape[1]
    assert 0 <= left.x < 10
    assert abs(middle.x + width / 2 - 300) <= 3
    assert 590 <= right.x + width <= 600


def test_long_text_wraps_at_the_width_and_long_words_break() -> None:
    for content in ("several words that wrap", "Donaudampfschifffahrtsgesellschaft"):
        drawn = text.draw(style(content), 160)
        assert drawn.pixels.shape[1] <= 160
        assert drawn.pixels.shape[0] > 90  # more than two lines of 40 px


def test_colour_and_its_alpha_are_straight() -> None:
    pixels = text.draw(style("I", fill_color="#ff800080", font_weight=900, font_size=Fraction(90)), 400).pixels
    assert (pixels[..., :3] == (255, 128, 0)).all()
    assert pixels[..., 3].max() == 128


def test_an_unknown_family_is_an_error_though_the_system_has_it() -> None:
    with pytest.raises(FontMissing, match="Inter"):
        text.draw(style("x", font_family="DejaVu Sans"), 100)


def test_characters_without_a_glyph_are_named() -> None:
    assert text.draw(style("ok 日本 ok 日 \N{PARTY POPPER}"), 900).missing == ("日", "本", "\N{PARTY POPPER}")
    assert text.draw(style("Grüße, Zażółć, Привет, Ελλάδα — “…” é́\u200b"), 900).missing == ()


def test_fonts_of_the_system_never_stand_in() -> None:
    """A character Inter lacks gives the same box where the user's settings offer every font of the system."""
    script = (
        "import sys; from tests.render.conftest import style; from orchestrator_tasks.ffmpeg import text;"
        "sys.stdout.buffer.write(text.draw(style('\\u05d0'), 200).pixels.tobytes())"
    )
    offered = {**os.environ, "FONTCONFIG_FILE": "/etc/fonts/fonts.conf", "FONTCONFIG_PATH": "/etc/fonts"}
    drawn = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=offered)
    assert drawn.stdout == text.draw(style("\u05d0"), 200).pixels.tobytes()


def test_text_lands_where_its_box_says_and_warns(render: Renderer) -> None:
    words = layer(None, "text", text=style("I日", font_weight=900, font_size=Fraction(80)), box=box(60, 30, 240, 120))
    done = render(timeline(words, fill_color="#000"), {})
    luma = done.planes()[0][0]
    rows, columns = np.nonzero(luma > 120)
    assert 60 <= columns.min() < 75
    assert 30 + 10 < rows.min() < 30 + 40  # under the ascender's room
    assert luma.max() == pytest.approx(235, abs=1)
    (warning,) = done.warnings
    assert (warning.code, warning.element_id) == ("glyph_missing", "text")
    assert "U+65E5" in warning.message
