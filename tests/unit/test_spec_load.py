"""What a job's JSON may say, and what it is told when it says something else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scene_samples import audio, example, image, job, text, video
from workflows.errors import InvalidSpec
from workflows.spec.model import Length, Quality
from workflows.spec.schema import load

EXAMPLES = sorted(path.name.removesuffix(".json") for path in (files("workflows.spec") / "examples").iterdir())


def problems(body: object) -> dict[str, dict[str, str]]:
    with pytest.raises(InvalidSpec) as caught:
        load(body)  # type: ignore[arg-type]
    return {problem["path"]: problem for problem in caught.value.problems}


def fault(body: object, path: str) -> tuple[str, str]:
    """Code and remedy of the only problem, which must be at `path`."""
    found = problems(body)
    assert list(found) == [path]
    return found[path]["code"], found[path]["remedy"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_load_and_loading_is_deterministic(name: str) -> None:
    assert load(example(name)) == load(json.loads(json.dumps(example(name))))


def test_the_printed_request_means_one_full_frame_video() -> None:
    spec = load(example("brief"))
    assert (spec.id, spec.width, spec.height, spec.frame_rate, spec.priority) == ("job_12345", 1920, 1080, 30, "normal")
    [element] = spec.elements
    assert (element.id, element.type, element.track, element.fit, element.volume) == (
        "element_1",
        "video",
        1,
        "cover",
        1,
    )
    assert element.width == Length(value=Fraction(100), unit="%")


def test_defaults_of_the_shortest_job() -> None:
    spec = load(job(video()))
    assert (spec.width, spec.height, spec.frame_rate, spec.duration) == (1920, 1080, 30, None)
    assert (spec.fill_color, spec.priority, spec.mode, spec.workflow) == ("#000000", "normal", "auto", "auto")
    assert spec.quality == Quality(codec="h264", preset="veryfast", crf=21)
    assert (spec.id, spec.deadline, spec.webhook_url, spec.metadata, spec.expires_in_s) == (None, None, None, {}, None)
    assert spec.elements[0].id == "element_1"


def test_null_means_not_given() -> None:
    nulls = {"id": None, "width": None, "duration": None, "metadata": None, "quality": None}
    element = video(
        id=None, track=None, time=None, duration=None, x=None, width=None, height=None, fit=None, animations=None
    )
    assert load(job(element, **nulls)) == load(job(video()))


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (30, "30"), (25.0, "25"), ("24", "24"), (12.5, "25/2"), ("30000/1001", "30000/1001"),
        (29.97, "30000/1001"), ("29.97", "30000/1001"), (23.976, "24000/1001"), (23.98, "24000/1001"),
        (59.94, "60000/1001"), (119.88, "120000/1001"), ("25/1", "25"),
    ],
)  # fmt: skip
def test_frame_rates_are_exact(written: object, exact: str) -> None:
    assert load(job(video(), frame_rate=written)).frame_rate == Fraction(exact)


@pytest.mark.parametrize(
    "wrong", [0, 0.5, 121, "1/0", "x", "30/", True, [], "30000/1001/2", 1e999, "1000000/1", "29,97"]
)
def test_frame_rates_out_of_bounds_are_refused(wrong: object) -> None:
    assert "frame_rate" in str(problems(job(video(), frame_rate=wrong)))


@pytest.mark.parametrize(
    ("written", "value", "unit"),
    [
        (120, "120", "px"),
        ("120px", "120", "px"),
        ("12.5%", "25/2", "%"),
        (-3.5, "-7/2", "px"),
        (" 10 % ", "10", "%"),
        ("0", "0", "px"),
    ],
)
def test_lengths(written: object, value: str, unit: str) -> None:
    assert load(job(image(x=written))).elements[0].x == Length(value=Fraction(value), unit=unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "written", "read"),
    [
        ("time", "5 s", Fraction(5)), ("time", "0.1", Fraction(1, 10)), ("time", 0.1, Fraction(1, 10)),
        ("duration", "2.5s", Fraction(5, 2)), ("duration", "media", "media"), ("duration", "end", "end"),
        ("opacity", "50%", 0.5), ("opacity", 1, 1.0), ("volume", "30%", 0.3), ("volume", 10, 10.0),
        ("trim_start", 3, Fraction(3)), ("track", 7.0, 7),
    ],
)  # fmt: skip
def test_numbers_with_and_without_units(field: str, written: object, read: object) -> None:
    assert getattr(load(job(video(**{field: written}))).elements[0], field) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("#1aF", "#11aaff"),
        ("#1A2B3C", "#1a2b3c"),
        ("#1a2b3c80", "#1a2b3c80"),
        ("#1a2b3cff", "#1a2b3c"),
        ("Navy", "#000080"),
    ],
)
def test_colors(written: str, read: str) -> None:
    style = load(job(text(fill_color=written))).elements[0].text
    assert style is not None
    assert style.fill_color == read


def test_a_mistyped_field_names_the_nearest() -> None:
    assert fault(job(video(), text(), video(fitt="cover")), "elements[2].fitt") == (
        "unknown_field",
        'Did you mean "fit"?',
    )
    assert fault(job(video(), widht=100), "widht") == ("unknown_field", 'Did you mean "width"?')
    assert fault(job(video(), quality={"presett": "fast"}), "quality.presett")[1] == 'Did you mean "preset"?'
    animation = {"type": "fade", "duraton": 1}
    assert (
        fault(job(text(animations=[animation])), "elements[0].animations[0].duraton")[1] == 'Did you mean "duration"?'
    )


@pytest.mark.parametrize(
    ("body", "path", "near"),
    [
        (job(video(fit="conver")), "elements[0].fit", "cover"),
        (job({"type": "vidoe"}), "elements[0].type", "video"),
        (job(video(duration="meda")), "elements[0].duration", "media"),
        (job(video(), priority="hihg"), "priority", "high"),
        (job(video(), quality="meduim"), "quality", "medium"),
        (job(text(font_family="Intre")), "elements[0].font_family", "Inter"),
        (job(text(fill_color="yelow")), "elements[0].fill_color", "yellow"),
        (job(video(), workflow="balanced-async"), "workflow", "balanced_async"),
    ],
)
def test_a_mistyped_word_names_the_nearest(body: object, path: str, near: str) -> None:
    assert fault(body, path) == ("invalid_value", f'Did you mean "{near}"?')


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (job(video(), output_format="hls"), "output_format"),
        (job(video(), workflow="distributed"), "workflow"),
        (job(video(keyframes=[])), "elements[0].keyframes"),
        (job(image(mask="star")), "elements[0].mask"),
        (job({"type": "captions"}), "elements[0].type"),
    ],
)
def test_what_the_design_has_and_this_version_does_not_is_told_so(body: object, path: str) -> None:
    code, _ = fault(body, path)
    assert code == "not_available"


@pytest.mark.parametrize(
    ("element", "name"),
    [
        (video(font_size=10), "font_size"), (image(volume=1), "volume"), (audio(x=0), "x"), (text(fit="cover"), "fit"),
        (text(source="https://a/b"), "source"), (image(trim_start=1), "trim_start"), (audio(opacity=1), "opacity"),
    ],
)  # fmt: skip
def test_a_field_of_another_type_says_so(element: dict[str, object], name: str) -> None:
    found = problems(job(element))[f"elements[0].{name}"]
    assert found["code"] == "not_applicable"
    assert "belongs to" in found["message"]


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "elements", "missing_field"),
        ([], "", "invalid_type"),
        (job(), "elements", "out_of_range"),
        (job(*[text()] * 501), "elements", "out_of_range"),
        (job({}), "elements[0].type", "missing_field"),
        (job({"type": "video"}), "elements[0].source", "missing_field"),
        (job({"type": "text"}), "elements[0].text", "missing_field"),
        (job(3), "elements[0]", "invalid_type"),  # type: ignore[arg-type]
        ({"elements": {}}, "elements", "invalid_type"),
        (job(video(), width=1921), "width", "invalid_value"),
        (job(video(), height=14), "height", "out_of_range"),
        (job(video(), width=7682), "width", "out_of_range"),
        (job(video(), width=7680, height=7680), "width", "out_of_range"),
        (job(video(), width=True), "width", "invalid_type"),
        (job(video(), width=100.5), "width", "invalid_value"),
        (job(video(), duration=0), "duration", "out_of_range"),
        (job(video(), duration=21601), "duration", "out_of_range"),
        (job(video(), duration=-1), "duration", "out_of_range"),
        (job(video(), fill_color="transparent"), "fill_color", "invalid_value"),
        (job(video(), deadline="2026-12-01T10:30:00"), "deadline", "invalid_value"),
        (job(video(), deadline=5), "deadline", "invalid_value"),
        (job(video(), deadline="0001-01-01T00:00:00+23:00"), "deadline", "out_of_range"),
        (job(video(), webhook_url="ftp://example.com/x"), "webhook_url", "invalid_value"),
        (job(video(), metadata=[1]), "metadata", "invalid_type"),
        (job(video(), metadata={"a": "x" * 17000}), "metadata", "too_long"),
        (job(video(), metadata={"a": float("nan")}), "metadata.a", "out_of_range"),
        (job(video(), expires_in=59), "expires_in", "out_of_range"),
        (job(video(), id="a b"), "id", "invalid_value"),
        (job(video(), id="x" * 129), "id", "invalid_value"),
        (job(video(), quality={"crf": 52}), "quality.crf", "out_of_range"),
        (job(video(), quality=3), "quality", "invalid_value"),
        (job(video(time=float("inf"))), "elements[0].time", "out_of_range"),
        (job(video(time=True)), "elements[0].time", "invalid_type"),
        (job(video(time=10**40)), "elements[0].time", "out_of_range"),
        (job(video(time="5 m")), "elements[0].time", "invalid_value"),
        (job(video(duration=0)), "elements[0].duration", "out_of_range"),
        (job(image(duration="media")), "elements[0].duration", "invalid_value"),
        (job(video(width=0)), "elements[0].width", "out_of_range"),
        (job(video(width=-5)), "elements[0].width", "out_of_range"),
        (job(video(opacity=50)), "elements[0].opacity", "out_of_range"),
        (job(video(volume="1001%")), "elements[0].volume", "out_of_range"),
        (job(video(track=0)), "elements[0].track", "out_of_range"),
        (job(text(font_weight=450)), "elements[0].font_weight", "invalid_value"),
        (job(text(text="  \n")), "elements[0].text", "invalid_value"),
        (job(text(text="a\x07")), "elements[0].text", "invalid_value"),
        (job(text(text="a\x00")), "elements[0].text", "invalid_value"),
        (job(text(text="\ud800")), "elements[0].text", "invalid_value"),
        (job(text(text="x" * 5001)), "elements[0].text", "too_long"),
        (job(text(animations=[{"type": "fade"}, {"type": "fade"}])), "elements[0].animations", "duplicate"),
        (job(text(id="a"), text(id="a")), "elements[1].id", "duplicate"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_where_they_stand(body: object, path: str, code: str) -> None:
    assert fault(body, path)[0] == code


@pytest.mark.parametrize(
    "source",
    [
        "", "video.mp4", "/etc/passwd", "file:///etc/passwd", "ftp://example.com/a", "https://", "https://u:p@example.com/a",
        "https://example.com/a b", "https://example.com/\na", "http://[::1", "http://example.com:99999/a", "concat:a|b",
        "s3://bucket", "s3://bucket/", "data:video/mp4;base64,AA", "http:\\\\example.com\\a",
        "https://e.com/" + "a" * 2048, 5,
    ],
)  # fmt: skip
def test_sources_that_are_no_plain_url_are_refused(source: object) -> None:
    assert list(problems(job(video(source=source)))) == ["elements[0].source"]


@pytest.mark.parametrize(
    "source", ["http://example.com/a?b=c#d", "https://example.com:8443/%20", "s3://bucket/a/b.mp4", "http://[::1]/a"]
)
def test_sources_that_are_urls_are_kept_as_written(source: str) -> None:
    assert load(job(video(source=source))).elements[0].source == source


def test_every_fault_is_reported_at_once() -> None:
    body = job(video(fitt=1, volume=-1), {"type": "txt"}, text(font_size=0), width=3, priority="x", hight=2)
    assert list(problems(body)) == [
        "width", "elements[0].volume", "elements[0].fitt", "elements[1].type", "elements[2].font_size",
        "priority", "hight",
    ]  # fmt: skip


def test_problems_carry_a_message_and_a_remedy() -> None:
    for problem in problems(job(video(fitt=1, volume=-1), width=3)).values():
        assert set(problem) == {"path", "code", "message", "remedy"}
        assert all(problem.values())


def test_odd_sizes_name_the_even_neighbours() -> None:
    assert fault(job(video(), height=1081), "height")[1] == "Use 1080 or 1082."


def test_elements_without_an_id_are_named_by_position_and_never_clash() -> None:
    spec = load(job(text(), text(id="element_4"), text(), text()))
    assert [element.id for element in spec.elements] == ["element_1", "element_4", "element_3", "element_4_"]


def test_elements_without_a_track_go_in_front_of_those_before() -> None:
    assert [element.track for element in load(job(text(), text(), text())).elements] == [1, 2, 3]
    assert [element.track for element in load(job(text(track=5), text(), text(track=9), text())).elements] == [
        5,
        6,
        9,
        10,
    ]


def test_a_track_of_ones_own_that_another_names_is_refused() -> None:
    code, remedy = fault(job(video(), text(track=1)), "elements[0].track")
    assert code == "ambiguous_track"
    assert remedy == "Write a track for this element."


def test_sizes_of_pictures() -> None:
    full = Length(value=Fraction(100), unit="%")
    ten = Length(value=Fraction(10), unit="px")
    sizes = [(one.width, one.height) for one in load(job(video(), image(width=10), video(height=10), text())).elements]
    assert sizes == [(full, full), (ten, None), (None, ten), (None, None)]


def test_quality_words() -> None:
    assert load(job(video(), quality="medium")).quality == Quality(preset="veryfast", crf=21)
    assert load(job(video(), quality="low")).quality == Quality(preset="superfast", crf=27)
    assert load(job(video(), quality="high")).quality == Quality(preset="medium", crf=18)
    assert load(job(video(), quality={"crf": 30})).quality == Quality(preset="veryfast", crf=30)


def test_deadlines_are_utc() -> None:
    spec = load(job(video(), deadline="2026-12-01T10:30:00+02:00"))
    assert spec.deadline == datetime(2026, 12, 1, 8, 30, tzinfo=UTC)


def test_deep_nesting_is_refused_not_a_crash() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    assert {problem["code"] for problem in problems(job(video(), metadata={"a": deep})).values()} == {"too_deep"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "type",
        "source",
        "track",
        "time",
        "duration",
        "x",
        "width",
        "fit",
        "opacity",
        "volume",
        "animations",
        "text",
        "font_size",
    ]
)
ELEMENT = st.dictionaries(NAMES, JSON, max_size=6).flatmap(
    lambda fields: st.sampled_from(["video", "image", "text", "audio"]).map(
        lambda kind: {"text": "a", **fields, "type": kind}
    )
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["width", "frame_rate", "quality", "metadata", "id", "deadline"]), JSON),
    st.lists(ELEMENT | JSON, max_size=3),
)
def test_any_json_loads_or_is_refused_with_problems(fields: dict[str, object], elements: list[object]) -> None:
    try:
        load({**fields, "elements": elements})
    except InvalidSpec as err:
        assert all(problem["path"] and problem["remedy"] for problem in err.problems)
        json.dumps(err.problems).encode()
