"""What a render costs: counts against counting by hand, the model against measured CPU seconds, and its shape."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scene_samples import URL, audio, example, image, probe, scene, still, text, video
from workflows.analysis.analyse import analyse
from workflows.analysis.features import features, text_area, visible
from workflows.analysis.model import Analysis
from workflows.analysis.predict import Coefficients
from workflows.spec.model import Quality
from workflows.spec.schema import load
from workflows.spec.timeline import Box, Layer, Timeline, resolve

MP4, PNG, MP3 = f"{URL}.mp4", f"{URL}.png", f"{URL}.mp3"
HD = probe(frames=300)
BASE = "https://example.com"
YARDSTICK = {
    f"{BASE}/background.mp4": probe(seconds="20", frames=600, sound="20"),
    f"{BASE}/inset.mp4": probe(size=(1280, 720), seconds="20", frames=600, sound="20"),
    f"{BASE}/logo.png": still(400, 400, alpha=True),
    f"{BASE}/music.wav": probe(size=None, seconds="20", sound="20", container="wav"),
}


def yardstick(**changes: Any) -> Analysis:
    spec = load({**example("reference"), **changes})
    return analyse(resolve(spec, YARDSTICK), spec.quality, Coefficients(), 2, YARDSTICK)


def cost(*elements: dict[str, Any], media: dict[str, Any] | None = None, **fields: Any) -> float:
    timeline = scene(*elements, media=media, **fields)
    return analyse(timeline, load({"elements": list(elements), **fields}).quality, media=media).estimate.p50_s


def test_the_yardsticks_counts() -> None:
    counted = yardstick().features
    assert counted.frames == 300
    assert counted.encode_mpx == pytest.approx(300 * 1920 * 1080 / 1e6)
    assert counted.decode_mpx == pytest.approx((300 * (1920 * 1080 + 1280 * 720) + 400 * 400) / 1e6)
    # The background passes through; inset and logo by their boxes; the title by some 750x86 px for 150 frames.
    boxes = 300 * (672 * 378 + 192 * 192) / 1e6
    assert boxes + 5 < counted.composite_mpx < boxes + 15
    assert (counted.layers, counted.max_overlap, counted.sources, counted.audio_s) == (4, 4, 4, 20.0)


def test_the_cold_start_model_meets_what_was_measured() -> None:
    # Measured for exactly this job: 9.3-10.2 CPU s, 5.0-5.6 s of wall on two cores, 369 MB at its peak.
    estimate = yardstick().estimate
    assert 9.3 * 0.8 < estimate.cpu_s < 10.2 * 1.25
    assert 5.0 * 0.8 < estimate.p50_s < 5.6 * 1.25
    assert 369e6 * 0.9 < estimate.memory_bytes < 369e6 * 1.3


def test_presets_cost_what_was_measured() -> None:
    # Encoding alone, CPU seconds of the same 300 frames.
    measured = {"ultrafast": 2.27, "superfast": 4.48, "veryfast": 6.66, "faster": 11.2, "medium": 16.5}
    for preset, seconds in measured.items():
        parts = yardstick(quality={"preset": preset}).estimate.parts
        assert parts["encode"] * Coefficients().speed_up(2) == pytest.approx(seconds, rel=0.05)


def test_two_cores_are_as_much_faster_as_measured() -> None:
    assert Coefficients().speed_up(2) == pytest.approx(9.28 / 5.09, rel=0.02)
    assert Coefficients().speed_up(1) == 1


def test_parts_add_up_and_p90_is_the_spread_above() -> None:
    analysis = yardstick()
    estimate = analysis.estimate
    assert sum(estimate.parts.values()) == pytest.approx(estimate.p50_s)
    assert set(estimate.parts) == {"decode", "composite", "encode", "audio", "fixed"}
    assert estimate.p90_s == pytest.approx(1.8 * estimate.p50_s)
    assert sum(analysis.complexity_parts.values()) == pytest.approx(analysis.complexity)


def test_a_calibrated_node_changes_its_own_parts_only() -> None:
    cold, fast = Coefficients(), Coefficients().calibrated({"encode_mpx_s": 200.0, "decode_mpx_s": 0, "cores": 5})
    assert fast == replace(cold, encode_s_per_mpx=1 / 200)


@pytest.mark.parametrize(("speed", "factor"), [(1e9, 1 / 5), (1e-9, 5)])
def test_a_calibration_beyond_belief_is_bounded(speed: float, factor: float) -> None:
    assert Coefficients().calibrated({"composite_mpx_s": speed}).composite_s_per_mpx == pytest.approx(0.007 * factor)


def test_more_threads_are_faster_and_never_more_than_the_serial_tenth_allows() -> None:
    times = [Coefficients().speed_up(threads) for threads in (1, 2, 4, 8, 64)]
    assert times == sorted(times)
    assert times[-1] < 10


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (cost(video(), media={MP4: HD}), cost(video(), media={MP4: probe(seconds="20", frames=600)})),
        (cost(video(), media={MP4: HD}), cost(video(), media={MP4: probe(size=(3840, 2160), frames=300)})),
        (cost(video(), media={MP4: HD}), cost(video(), media={MP4: probe(rate="60", frames=600)})),
        (cost(video(), width=1280, height=720), cost(video())),
        (cost(video(), frame_rate=25), cost(video(), frame_rate=50)),
        (cost(video()), cost(video(), image(width="30%"))),
        (cost(video()), cost(video(), audio())),
        (cost(video(), quality="low"), cost(video(), quality="medium")),
        (cost(video(), quality="medium"), cost(video(), quality="high")),
        (cost(video(), text(text="a")), cost(video(), text(text="a" * 400))),
    ],
)
def test_more_work_costs_more(small: float, large: float) -> None:
    assert small < large


@pytest.mark.parametrize(
    "hidden",
    [
        image(opacity=0, width=500),
        image(x=3000, width=500),
        image(x=-500, width=500),
        image(time=50, width=500),
        image(track=1, width=500),
    ],
)
def test_what_nobody_sees_costs_nothing(hidden: dict[str, Any]) -> None:
    media = {MP4: HD, PNG: still(500, 500)}
    seen = cost(video(track=2, duration=10), media=media, duration=10)
    assert cost(hidden, video(track=2, duration=10), media=media, duration=10) == seen


@pytest.mark.parametrize(
    "front",
    [
        {"opacity": 0.9},
        {"fit": "contain"},
        {"width": "100%", "height": "90%"},
        {"width": "90%", "height": "100%"},
        {"y": "10%"},
        {"x": "10%"},
        {"time": 0.1},
        {"duration": 9},
        {"animations": [{"type": "fade"}]},
    ],
)
def test_a_layer_that_shows_through_is_counted(front: dict[str, Any]) -> None:
    timeline = scene(image(track=1), video(track=2, **front), duration=10, media={MP4: HD, PNG: still(10, 10)})
    assert features(timeline, {MP4: HD}).layers == 2


def test_a_short_video_is_decoded_once_though_it_freezes() -> None:
    media = {MP4: probe(seconds="2", frames=60)}
    assert features(scene(video(), media=media, duration=10), media).decode_mpx == pytest.approx(60 * 1920 * 1080 / 1e6)


def test_the_area_of_a_text_follows_its_letters_and_lines() -> None:
    def area(words: str, width: int = 1000) -> int:
        style = load({"elements": [text(text=words, font_size=100)]}).elements[0].text
        assert style is not None
        return text_area(style, Box(x=0, y=0, width=width, height=500))

    assert area("a" * 10) == pytest.approx(10 * 55 * 120, rel=0.01)
    assert area("a\nb") == pytest.approx(2 * area("a"), rel=0.01)
    assert area("a" * 40) == pytest.approx(1000 * 3 * 120, rel=0.01)  # 2200 px wrapped at 1000


def test_known_file_sizes_count_for_the_disk() -> None:
    small, large = probe(frames=300), replace(probe(frames=300), size_bytes=10**9)
    disks = [
        analyse(scene(video(), media={MP4: info}), Quality(), media={MP4: info}).estimate.disk_bytes
        for info in (small, large)
    ]
    assert disks[1] - disks[0] == 10**9 - small.size_bytes


def test_complexity_is_between_nothing_and_one() -> None:
    simple = analyse(scene(text(duration=0.1), width=16, height=16), Quality(preset="ultrafast"))
    rows = [video(source=f"{URL}{n}.mp4", duration=20000, opacity=0.9) for n in range(200)]
    huge = analyse(scene(*rows, width=7680, height=4320, frame_rate=120), Quality(preset="slow"))
    assert 0 < simple.complexity < 0.1
    assert 0.9 < huge.complexity < 1


# Against painting the scene pixel by pixel.

SIDE, FRAMES = 16, 3
BOXES = st.tuples(st.integers(-8, 16), st.integers(-8, 16), st.integers(1, 16), st.integers(1, 16)).map(
    lambda place: Box(x=place[0], y=place[1], width=place[2], height=place[3])
)
FULL = st.just(Box(x=0, y=0, width=SIDE, height=SIDE))


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    start = draw(st.integers(0, FRAMES))
    return Layer(
        element_id=str(draw(st.integers(0, 10**9))),
        kind=draw(st.sampled_from(["video", "image"])),
        source=MP4,
        start=start,
        frames=draw(st.integers(0, FRAMES - start)),
        box=draw(BOXES | FULL),
        fit=draw(st.sampled_from(["cover", "contain"])),
        opacity=draw(st.sampled_from([0.0, 0.5, 1.0])),
        trim_start=Fraction(0),
        fade_in=draw(st.sampled_from([0, 0, 1])),
        fade_out=0,
        text=None,
    )


def painted(stack: list[Layer]) -> set[int]:
    """The positions of layers that reach the viewer at some pixel of some frame."""
    seen: set[int] = set()
    for frame in range(FRAMES):
        for y in range(SIDE):
            for x in range(SIDE):
                for position in range(len(stack) - 1, -1, -1):
                    layer = stack[position]
                    box = layer.box
                    if not layer.start <= frame < layer.start + layer.frames or layer.opacity == 0:
                        continue
                    if not (box.x <= x < box.x + box.width and box.y <= y < box.y + box.height):
                        continue
                    seen.add(position)
                    if layer.kind == "video" and layer.opacity == 1 and layer.fit == "cover" and not layer.fade_in:
                        break
    return seen


@settings(max_examples=60, deadline=None)
@given(st.lists(layers(), max_size=5))
def test_no_layer_that_reaches_the_viewer_is_left_out(stack: list[Layer]) -> None:
    timeline = Timeline(
        width=SIDE, height=SIDE, frame_rate=Fraction(1), frames=FRAMES, fill_color="#000000",
        layers=tuple(stack), sounds=(), assumed=(),
    )  # fmt: skip
    found = visible(timeline, {})
    kept = {position for position, layer in enumerate(stack) if any(layer is one for one in found)}
    assert painted(stack) <= kept
    # What is kept in vain is hidden only by several layers together, never by one.
    for position in kept - painted(stack):
        assert all(painted([stack[position], front]) != {1} for front in stack[position + 1 :])
