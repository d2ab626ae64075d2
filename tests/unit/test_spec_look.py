"""What is said of an element's look: units, crops, corners, turning, and durations that depend on others."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, cos, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scene_samples import audio, box_of, frames_of, image, job, layer_of, probe, scene, text, video
from workflows.analysis.features import features
from workflows.errors import InvalidSpec
from workflows.spec.look import turned
from workflows.spec.schema import load


def shape(**fields: object) -> dict[str, object]:
    return {"type": "shape", **fields}


URL = "https://example.com/a"
MP4 = f"{URL}.mp4"


def refused(body: object) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        load(body)  # type: ignore[arg-type]
    return {problem["path"]: problem["code"] for problem in caught.value.problems}


def test_units_are_of_the_jobs_sides() -> None:
    made = scene(
        image(id="i", x="1vw", y="1vh", width="10vmin", height="10vmax", x_anchor="1vw", y_anchor="0%"),
        width=800, height=400,
    )  # fmt: skip
    assert box_of(made, "i") == (0, 4, 40, 80)


def test_a_text_has_room_behind_an_anchor_in_any_unit() -> None:
    made = scene(text(id="t", x="50vw", x_anchor="10vw"), width=800, height=400)
    assert box_of(made, "t") == (320, 0, 480, 400)


@pytest.mark.parametrize(
    ("element", "path", "code"),
    [
        (image(width="10vq"), "width", "invalid_value"),
        (image(width="1001vw"), "width", "out_of_range"),
        (image(width="0vh"), "width", "out_of_range"),
        (video(rotation=3601), "rotation", "out_of_range"),
        (video(rotation="right"), "rotation", "invalid_value"),
        (video(border_radius=-1), "border_radius", "out_of_range"),
        (video(crop={"left": 1}), "crop.left", "unknown_field"),
        (video(crop={"width": 0}), "crop.width", "out_of_range"),
        (video(crop={"x": "1vw"}), "crop.x", "invalid_value"),
        (video(crop=3), "crop", "invalid_type"),
        (text(blend_mode="color_dodge"), "blend_mode", "invalid_value"),
        (video(brightness=4.1), "brightness", "out_of_range"),
        (video(sepia="half"), "sepia", "invalid_value"),
        (image(blur="5vw"), "blur", "invalid_value"),
        (text(blur=5), "blur", "not_applicable"),
        (video(chroma_key={}), "chroma_key.color", "missing_field"),
        (video(chroma_key={"color": "grene"}), "chroma_key.color", "invalid_value"),
        (video(chroma_key={"color": "green", "softnes": 1}), "chroma_key.softnes", "unknown_field"),
        (image(stroke_width=3), "stroke_color", "missing_field"),
        (image(shadow_x=3), "shadow_color", "missing_field"),
        (text(background_padding=3), "background_color", "missing_field"),
        (text(border_radius=3), "background_color", "missing_field"),
        (video(stroke_color="red"), "stroke_color", "not_applicable"),
        (text(font_size="large"), "font_size", "invalid_value"),
        (text(font_size="auto", font_size_minimum=50, font_size_maximum=40), "font_size_minimum", "out_of_range"),
        (text(text_transform="upper"), "text_transform", "invalid_value"),
        (text(line_height=-1), "line_height", "out_of_range"),
        (shape(fit="cover"), "fit", "not_applicable"),
        (video(duration="0%"), "duration", "out_of_range"),
        (video(duration="101%"), "duration", "out_of_range"),
        (video(duration="0fr"), "duration", "out_of_range"),
        (video(duration="3 parts"), "duration", "invalid_value"),
    ],
)
def test_faults_name_the_field(element: dict[str, object], path: str, code: str) -> None:
    assert refused(job(element)) == {f"elements[0].{path}": code}


def test_a_crop_is_in_pixels_or_percent_of_the_file_and_gives_the_aspect() -> None:
    media = {MP4: probe(size=(400, 200))}
    made = scene(
        video(id="a", crop={"x": 100, "y": "25%", "width": "50%", "height": 50}, width=100, track=1),
        video(id="b", crop={"x": "50%"}, width=100, track=2),
        media=media,
    )
    one, other = layer_of(made, "a").look.crop, layer_of(made, "b").look.crop
    assert (one.x, one.y, one.width, one.height) == tuple(map(Fraction, ("1/4", "1/4", "1/2", "1/4")))
    assert (other.x, other.y, other.width, other.height) == tuple(map(Fraction, ("1/2", "0", "1/2", "1")))
    assert box_of(made, "a")[2:] == (100, 26) and box_of(made, "b")[2:] == (100, 100)


def test_a_crop_is_cut_to_the_file_and_one_beside_it_is_an_error() -> None:
    media = {MP4: probe(size=(400, 200))}
    made = scene(video(id="a", crop={"x": 300, "width": 300}), media=media)
    assert layer_of(made, "a").look.crop.width == Fraction(1, 4)
    with pytest.raises(InvalidSpec) as caught:
        scene(video(id="a", crop={"x": 400}), media=media)
    assert [(p["path"], p["code"]) for p in caught.value.problems] == [("elements[0].crop", "out_of_range")]
    assert layer_of(scene(video(id="a", crop={"x": 4000})), "a").look.crop is None  # its size is not known yet


def test_a_radius_in_percent_is_of_each_side_and_never_more_than_half() -> None:
    made = scene(
        *(video(id=f"r{n}", border_radius=r, width=200, height=100) for n, r in enumerate((10, "10%", "50%", 80)))
    )
    radii = [tuple(map(float, layer_of(made, f"r{n}").look.radii)) for n in range(4)]
    assert radii == [(10, 10), (20, 10), (100, 50), (50, 50)]


def test_an_angle_counts_from_0_to_360() -> None:
    angles = [layer_of(scene(video(id="a", rotation=given)), "a").look.rotation for given in (-90, "720deg", 12.5)]
    assert angles == [270, 0, Fraction(25, 2)]


def test_a_turned_box_has_a_largest_size() -> None:
    with pytest.raises(InvalidSpec, match="turned"):
        scene(image(width=16000, height=4002, rotation=1))


EVEN = st.integers(-50, 50).map(lambda n: 2 * n)


@given(st.tuples(EVEN, EVEN, *[st.integers(1, 300).map(lambda n: 2 * n)] * 2), st.integers(0, 359))
def test_the_rectangle_around_a_turned_box_is_even_has_its_middle_and_is_no_larger_than_it_must_be(
    box: tuple[int, int, int, int], angle: int
) -> None:
    x, y, width, height = turned(box, Fraction(angle))
    assert x % 2 == y % 2 == width % 2 == height % 2 == 0
    assert (x + width / 2, y + height / 2) == (box[0] + box[2] / 2, box[1] + box[3] / 2)
    corners = [(sx * box[2] / 2, sy * box[3] / 2) for sx in (-1, 1) for sy in (-1, 1)]
    turn = radians(angle)
    reach_x = max(cos(turn) * cx - sin(turn) * cy for cx, cy in corners)
    reach_y = max(sin(turn) * cx + cos(turn) * cy for cx, cy in corners)
    assert reach_x - 1e-3 <= width / 2 < ceil(reach_x - 1e-3) + 2 and reach_y - 1e-3 <= height / 2 < ceil(reach_y) + 2


def test_percent_of_the_job_and_parts_of_what_a_track_has_left() -> None:
    made = scene(
        image(id="half", track=1, duration="50%"),
        image(id="two", track=2, duration=2),
        image(id="one_part", track=2, duration="1fr"),
        image(id="three_parts", track=2, duration="3fr"),
        duration=10, frame_rate=10,
    )  # fmt: skip
    assert frames_of(made, "half") == (0, 50)
    assert [frames_of(made, name) for name in ("two", "one_part", "three_parts")] == [(0, 20), (20, 40), (40, 100)]


def test_parts_end_at_the_next_time_on_their_track() -> None:
    made = scene(
        image(id="a", track=1, time=1, duration="1fr"),
        image(id="b", track=1, duration="1fr"),
        image(id="c", track=1, time=5, duration="1fr"),
        image(id="d", track=1),
        duration=10, frame_rate=10,
    )  # fmt: skip
    assert [frames_of(made, name) for name in "abcd"] == [(10, 30), (30, 50), (50, 75), (75, 100)]


def test_relative_durations_follow_what_says_how_long_the_job_is() -> None:
    stills = [image(id=f"s{n}", track=1, duration="1fr") for n in range(3)]
    media = {f"{URL}.mp3": probe(size=None, seconds="12", rate=None, sound="12")}
    made = scene(*stills, audio(duration="media", track=2), media=media, frame_rate=10)
    assert made.frames == 120
    assert [frames_of(made, f"s{n}") for n in range(3)] == [(0, 40), (40, 80), (80, 120)]
    assert scene(*stills, frame_rate=10).frames == 50


def test_parts_without_time_are_an_error() -> None:
    with pytest.raises(InvalidSpec) as caught:
        scene(image(id="a", track=1, duration=10), image(id="b", track=1, duration="1fr"), duration=10)
    assert [(p["path"], p["code"]) for p in caught.value.problems] == [("elements[1].duration", "out_of_range")]


def test_a_look_costs_and_what_shows_through_it_counts() -> None:
    media = {MP4: probe(size=(1920, 1080))}

    def cost(**look: object) -> tuple[int, float]:
        counted = features(
            scene(video(id="behind", track=1), video(id="front", track=2, **look), media=media, duration=1), media
        )
        return counted.layers, counted.composite_mpx

    assert cost()[0] == 1
    assert [cost(**look)[0] for look in ({"border_radius": 9}, {"rotation": 9}, {"fit": "none"})] == [2, 2, 2]
    assert cost(rotation=9)[1] > cost(border_radius=9)[1] > cost()[1]


def test_shapes_fill_the_canvas_or_are_square() -> None:
    made = scene(shape(id="all"), shape(id="square", width=100), shape(id="bar", width="50%", height=10))
    assert [box_of(made, name)[2:] for name in ("all", "square", "bar")] == [(1920, 1080), (100, 100), (960, 10)]


def test_a_stroke_or_a_shadow_needs_its_color_and_no_more() -> None:
    made = scene(shape(id="s", stroke_color="red", shadow_color="#00000080"), shape(id="none", stroke_color=None))
    look = layer_of(made, "s").look
    assert (look.stroke.color, look.stroke.width) == ("#ff0000", 2)
    assert (look.shadow.color, look.shadow.blur, look.shadow.x) == ("#00000080", 0, 0)
    assert layer_of(made, "none").look.stroke is None


def test_a_layer_reaches_as_far_as_its_shadow() -> None:
    made = scene(shape(id="s", x=100, y=100, width=200, height=100, shadow_color="red", shadow_blur=20, shadow_y=-7))
    bounds = layer_of(made, "s").bounds  # 7 + 3 standard deviations of 10, made even
    assert (bounds.x, bounds.y, bounds.width, bounds.height) == (100 - 38, 100 - 38, 200 + 76, 100 + 76)


def test_an_opaque_shape_hides_what_is_behind_it() -> None:
    def layers(**look: object) -> int:
        return features(scene(video(track=1, duration=1), shape(track=2, **look)), {}).layers

    assert layers() == 1
    assert [
        layers(**look) for look in ({"fill_color": "#ffffff80"}, {"border_radius": 4}, {"shadow_color": "red"})
    ] == [2] * 3


def test_filters_are_read_and_cost_frame_by_frame() -> None:
    made = scene(video(id="v", brightness="120%", hue=-30, blur=4, grayscale=0.5))
    filters = layer_of(made, "v").look.filters
    assert (filters.brightness, filters.hue, filters.blur, filters.grayscale) == (1.2, 330, 4, 0.5)

    def cost(element: dict[str, object]) -> float:
        return features(scene(element, duration=1, width=1920, height=1080), {}).composite_mpx

    assert cost(video()) == 0 < cost(video(blur=3)) and cost(video(hue=9)) > 0
    assert cost(image(blur=3)) == cost(image())  # drawn once


def test_a_keyed_video_shows_what_is_behind_it() -> None:
    made = scene(image(track=1), video(track=2, chroma_key={"color": "lime"}), duration=1)
    assert features(made, {}).layers == 2


def test_a_blend_costs_from_the_first_frame_on_and_shows_what_is_behind() -> None:
    def counted(**look: object) -> tuple[int, float]:
        made = features(scene(video(track=1), image(track=2, time=1, width=100, **look), duration=2), {})
        return made.layers, made.composite_mpx

    assert counted(blend_mode="screen")[1] > counted()[1]
    front = features(scene(video(track=1), video(track=2, blend_mode="screen"), duration=1), {})
    assert front.layers == 2
