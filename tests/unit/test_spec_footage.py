"""Sources that cannot serve their element, and what is assumed of those not read yet."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.unit.scene_samples import URL, audio, box_of, image, job, probe, scene, sound_of, still, text, video
from workflows.errors import SourceCorrupt
from workflows.spec.media import MediaInfo
from workflows.spec.schema import load
from workflows.spec.timeline import resolve

MP4, PNG, MP3 = f"{URL}.mp4", f"{URL}.png", f"{URL}.mp3"
SOUND_ONLY = probe(size=None)
GIF = probe(size=(100, 50), sound=None, container="gif")


@pytest.mark.parametrize(
    ("element", "info"),
    [
        (video(), SOUND_ONLY),
        (video(), still(100, 100)),
        (video(trim_start=10), probe(frames=300)),
        (video(trim_start=11, duration=1), probe()),
        (image(), SOUND_ONLY),
        (image(), probe()),
        (audio(), probe(sound=None)),
        (audio(), still(10, 10)),
        (audio(trim_start=4), probe(size=None, seconds="4", sound="4")),
    ],
)
def test_a_file_that_cannot_serve_its_element_is_named(element: dict[str, object], info: MediaInfo) -> None:
    with pytest.raises(SourceCorrupt) as caught:
        resolve(load(job(text(), element)), {str(element["source"]): info})
    assert caught.value.path == "elements[1].source"
    assert '"element_2"' in caught.value.message
    assert caught.value.retryable is False


def test_an_animated_gif_is_a_picture() -> None:
    assert box_of(scene(image(width=100), media={PNG: GIF}), "element_1") == (0, 0, 100, 50)


def test_what_is_not_known_is_assumed_and_said() -> None:
    timeline = scene(video(id="v", width=960), image(id="i", width=100), audio(id="a", duration="end"), text(id="t"))
    assert timeline.assumed == ("v", "i", "a")
    assert (timeline.frames, box_of(timeline, "v")[3], box_of(timeline, "i")[3]) == (300, 540, 100)
    assert sound_of(timeline, "v") is not None


def test_the_assumed_ten_seconds_count_from_trim_start() -> None:
    assert scene(video(trim_start=100)).frames == 300


def test_facts_replace_assumptions() -> None:
    media = {MP4: probe(size=(720, 1280), seconds="2.5", frames=75, sound=None), MP3: SOUND_ONLY}
    timeline = scene(video(height="100%"), audio(duration="end"), media=media)
    assert timeline.assumed == ()
    assert (timeline.frames, box_of(timeline, "element_1")) == (75, (0, 0, 608, 1080))
    assert [sound.element_id for sound in timeline.sounds] == ["element_2"]


def test_a_sound_of_unknown_length_is_assumed() -> None:
    unknown = probe(size=None, seconds=None, sound=None)
    with_sound = MediaInfo.from_dict(
        {**unknown.as_dict(), "audio": {"codec": "aac", "sample_rate": 44100, "channels": 1, "duration": None}}
    )
    timeline = scene(audio(), media={MP3: with_sound})
    assert (timeline.frames, timeline.assumed) == (300, ("element_1",))


def test_one_source_may_serve_many_elements() -> None:
    timeline = scene(video(), video(trim_start=2), audio(source=MP4), media={MP4: probe(frames=300)})
    assert timeline.sources == (MP4,)
    assert len(timeline.sounds) == 3


def test_media_survives_the_ledger() -> None:
    info = probe(rate="30000/1001", seconds="1001/100", frames=300)
    assert MediaInfo.from_dict(info.as_dict()) == info
    assert info.as_dict()["duration"] == "1001/100"
    assert info.duration == Fraction("10.01")
