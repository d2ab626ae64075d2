"""Where elements lie: percentages, pixels, anchors, aspect, even numbers, order."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scene_samples import URL, audio, box_of, example, image, scene, still, text, video
from workflows.errors import InvalidSpec
from workflows.spec.schema import load
from workflows.spec.timeline import resolve

PNG = f"{URL}.png"


def test_the_printed_request_fills_the_frame() -> None:
    assert box_of(resolve(load(example("brief")), {}), "element_1") == (0, 0, 1920, 1080)


def test_the_yardsticks_boxes() -> None:
    source = "https://example.com/logo.png"
    timeline = resolve(load(example("reference")), {source: still(400, 400, alpha=True)})
    assert box_of(timeline, "background") == (0, 0, 1920, 1080)
    assert box_of(timeline, "inset") == (1152, 108, 672, 378)
    assert box_of(timeline, "logo") == (96, 810, 192, 192)
    assert box_of(timeline, "title")[:2] == (96, 108)


@pytest.mark.parametrize(
    ("fields", "box"),
    [
        ({}, (0, 0, 1000, 500)),
        ({"width": 200}, (0, 0, 200, 100)),
        ({"height": "20%"}, (0, 0, 200, 100)),
        ({"width": 200, "height": 200}, (0, 0, 200, 200)),
        ({"width": 200, "x": "50%", "y": "50%", "x_anchor": "50%", "y_anchor": "50%"}, (400, 200, 200, 100)),
        ({"width": 200, "x": "100%", "y": "100%", "x_anchor": "100%", "y_anchor": "100%"}, (800, 400, 200, 100)),
        ({"width": 200, "x": 100, "x_anchor": 30}, (70, 0, 200, 100)),
        ({"width": 200, "x": -100, "y": "-10%"}, (-100, -50, 200, 100)),
        ({"width": 101, "height": 103}, (0, 0, 102, 104)),
        ({"width": 1, "height": 0.5}, (0, 0, 2, 2)),
        ({"width": 100, "height": 100, "x": 1, "y": 2.9}, (2, 2, 100, 100)),
        ({"width": "300%"}, (0, 0, 3000, 1500)),
    ],
)
def test_boxes_of_a_2_to_1_picture_on_1000x500(fields: dict[str, object], box: tuple[int, ...]) -> None:
    timeline = scene(image(**fields), width=1000, height=500, media={PNG: still(800, 400)})
    assert box_of(timeline, "element_1") == box


@pytest.mark.parametrize(
    ("fields", "box"),
    [
        ({}, (0, 0, 1000, 500)),
        ({"x": 100, "y": "20%"}, (100, 100, 900, 400)),
        ({"width": 300, "height": 50}, (0, 0, 300, 50)),
        ({"x": "50%", "x_anchor": "50%"}, (0, 0, 1000, 500)),
        ({"x": 300, "x_anchor": "50%"}, (0, 0, 600, 500)),
        ({"x": "90%", "x_anchor": "100%", "y": 400, "y_anchor": "100%"}, (0, 0, 900, 400)),
        ({"x": 300, "x_anchor": 100}, (200, 0, 800, 500)),
        ({"x": 2000}, (2000, 0, 2, 500)),
    ],
)
def test_a_texts_box_takes_the_room_there_is(fields: dict[str, object], box: tuple[int, ...]) -> None:
    assert box_of(scene(text(**fields), width=1000, height=500), "element_1") == box


@settings(max_examples=80, deadline=None)
@given(st.integers(-2000, 2000), st.integers(1, 3000), st.integers(0, 100), st.integers(8, 1000).map(lambda n: 2 * n))
def test_boxes_are_even_and_within_a_pixel_of_the_exact_place(x: int, width: int, anchor: int, canvas: int) -> None:
    fields = {"x": f"{x / 10}%", "width": f"{width / 10}%", "height": 100, "x_anchor": f"{anchor}%"}
    left, top, wide, high = box_of(scene(image(**fields), width=canvas, height=100), "element_1")
    exact_width = Fraction(width, 1000) * canvas
    exact_left = Fraction(x, 1000) * canvas - exact_width * anchor / 100
    assert left % 2 == wide % 2 == top % 2 == high % 2 == 0
    assert abs(left - exact_left) <= 1
    assert wide >= 2
    assert abs(wide - exact_width) <= 1 or (wide == 2 and exact_width < 1)


def test_a_box_beyond_16384_pixels_is_refused() -> None:
    with pytest.raises(InvalidSpec) as caught:
        scene(image(width="1000%"), width=7680, media={PNG: still(100, 100)})
    assert caught.value.problems[0]["path"] == "elements[0].width"
    with pytest.raises(InvalidSpec) as caught:
        scene(image(width="100%"), media={PNG: still(10, 1000)})
    assert caught.value.problems[0]["path"] == "elements[0].height"


def test_higher_tracks_are_painted_later_and_one_track_in_time_order() -> None:
    timeline = scene(
        text(id="front", track=9, duration=2),
        text(id="late", track=2, time=3, duration=1),
        audio(track=5, duration=1),
        video(id="back", track=1, duration=2),
        text(id="early", track=2, time=0, duration=1),
    )
    assert [layer.element_id for layer in timeline.layers] == ["back", "early", "late", "front"]


def test_elements_that_nobody_sees_are_kept() -> None:
    timeline = scene(text(opacity=0), text(x=5000), text(time=9), duration=5)
    assert len(timeline.layers) == 3
