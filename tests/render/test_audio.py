"""The mix against NumPy, sample by sample: the graph's own output, before the AAC encoder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.render.conftest import Renderer, sound, timeline
from tests.render.footage import clip, wav

RATE = 48000


def noise(seconds: float, channels: int = 2, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (int(seconds * RATE), channels))


def uncompressed(argv: list[str]) -> list[str]:
    """The same command with PCM for AAC, in a container that holds it."""
    return [
        "matroska" if a == "mp4" else "pcm_f32le" if a == "aac" else a
        for a in argv
        if a not in ("+faststart", "-movflags")
    ]


def heard(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)])


def test_the_mix_is_the_sum_of_its_sounds(render: Renderer, tmp_path: Path) -> None:
    left = wav(tmp_path / "a.wav", noise(2.0, seed=1))
    right = wav(tmp_path / "b.wav", noise(2.0, seed=2))
    scene = timeline(
        frames=45,  # 1.5 s
        sounds=(
            sound("a", volume=0.5, duration=Fraction(3, 2), fade_in=Fraction(1, 4), fade_out=Fraction(1, 2)),
            sound("b", start=Fraction(1, 2), duration=Fraction(4, 5), trim_start=Fraction("0.3"), volume=1.5),
        ),
    )
    got = heard(
        render(scene, {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav"}, change=uncompressed, suffix=".mkv").path
    )
    n = 72000
    gain = np.minimum(1, np.arange(n) / 12000) * np.minimum(1, (n - np.arange(n)) / 24000)
    wanted = left[:n] * (0.5 * gain)[:, None]
    wanted[24000 : 24000 + 38400] += 1.5 * right[14400 : 14400 + 38400]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 2e-4


@pytest.mark.parametrize("seconds", ["0.5", "1.7"])
def test_sound_is_padded_and_cut_to_the_picture(seconds: str, render: Renderer, tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", noise(float(seconds)))
    scene = timeline(frames=30, sounds=(sound("a", duration=Fraction(3)),))
    got = heard(render(scene, {"a": tmp_path / "a.wav"}, change=uncompressed, suffix=".mkv").path)
    wanted = np.zeros((RATE, 2))
    wanted[: len(source)] = source[:RATE]
    assert got.shape == wanted.shape and np.abs(got - wanted).max() < 1e-4


def test_mono_plays_at_its_own_level_in_both_channels(render: Renderer, tmp_path: Path) -> None:
    source = wav(tmp_path / "mono.wav", noise(1.0, channels=1))
    got = heard(
        render(
            timeline(frames=30, sounds=(sound("m"),)), {"m": tmp_path / "mono.wav"}, change=uncompressed, suffix=".mkv"
        ).path
    )
    assert np.abs(got - np.repeat(source, 2, axis=1)).max() < 1e-4


def test_another_sample_rate_keeps_time_and_pitch(render: Renderer, tmp_path: Path) -> None:
    def tone(rate: int) -> np.ndarray:
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[:, None].repeat(2, 1)

    wav(tmp_path / "44.wav", tone(44100), 44100)
    scene = timeline(frames=30, sounds=(sound("a", trim_start=Fraction("0.25"), duration=Fraction(1, 2)),))
    got = heard(render(scene, {"a": tmp_path / "44.wav"}, change=uncompressed, suffix=".mkv").path)
    wanted = tone(48000)[12000:36000]
    assert np.abs(got[200:23800] - wanted[200:23800]).max() < 5e-3
    assert np.abs(got[24000:]).max() < 1e-6


def test_sound_of_a_trimmed_video_stays_in_step(render: Renderer, tmp_path: Path) -> None:
    """A click at 1.5 s of an AAC track is heard 0.5 s into a layer trimmed by 1 s."""
    track = np.zeros((3 * RATE, 2))
    track[72000:72480] = 0.8
    source = clip(tmp_path / "v.mp4", frames=90, sound=track)
    scene = timeline(frames=60, sounds=(sound("v", trim_start=Fraction(1), duration=Fraction(2)),))
    got = heard(render(scene, {"v": source.path}, change=uncompressed, suffix=".mkv").path)
    loud = np.nonzero(np.abs(got[:, 0]) > 0.4)[0]
    assert abs(loud[0] - 24000) < 64 and abs(loud[-1] - 24480) < 64


def test_no_sound_no_audio_stream(render: Renderer) -> None:
    with av.open(str(render(timeline(), {}).path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
