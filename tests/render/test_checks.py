"""Each check against a file that is right, and against one broken in just the way it must catch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from orchestrator_tasks.checks import structure
from orchestrator_tasks.checks.decode import CHECKS, decode_checks
from orchestrator_tasks.checks.model import Check, failed, warned
from orchestrator_tasks.ffmpeg.command import RenderCommand
from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.probe import probe
from orchestrator_tasks.ffmpeg.render import render
from orchestrator_tasks.ffmpeg.run import run
from tests.render.conftest import PLAIN, box, layer, sound, style, timeline
from tests.render.footage import clip, quarters, sha256, wav
from workflows.errors import OutputWrong, SourceCorrupt
from workflows.settings import Settings
from workflows.spec.timeline import Timeline

SECONDS = 3
FRAMES = 30 * SECONDS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")

    def busy(n: int, width: int, height: int) -> np.ndarray:
        return np.roll(quarters(n, width, height), 5 * n, axis=1)

    wav(folder / "tone.wav", 0.3 * np.random.default_rng(5).uniform(-1, 1, (48000 * SECONDS, 2)))
    wav(folder / "silence.wav", np.zeros((48000 * SECONDS, 2)))
    wav(folder / "loud.wav", np.sign(np.sin(np.arange(48000 * SECONDS) / 9))[:, None].repeat(2, 1) * 0.99)
    return {
        "moving": clip(folder / "moving.mp4", frames=FRAMES, picture=busy).path,
        "still": clip(folder / "still.mp4", frames=FRAMES, picture=lambda _, w, h: quarters(3, w, h)).path,
        "black": clip(folder / "black.mp4", frames=FRAMES, picture=lambda _, w, h: np.zeros((h, w, 3), np.uint8)).path,
        **{name: folder / f"{name}.wav" for name in ("tone", "silence", "loud")},
    }


def good(picture: str = "moving", *sounds: str) -> Timeline:
    heard = tuple(sound(name, duration=Fraction(SECONDS)) for name in sounds or ("tone",))
    return timeline(layer(picture, frames=FRAMES), sounds=heard, frames=FRAMES)


def rendered(scene: Timeline, files: dict[str, Path], folder: Path) -> RenderCommand:
    settings = Settings(data_dir=str(folder / "home"))
    media = {name: probe(files[name], sha256(files[name]), settings=settings) for name in scene.sources}
    command = compile_timeline(scene, media, files, PLAIN, folder, out=folder / "out.mp4")
    run(command)
    return command


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_right_file_passes_everything(files: dict[str, Path], tmp_path: Path) -> None:
    command = rendered(good(), files, tmp_path)
    found = structure.check(command)
    assert failed(found) == () and {"frames", "frame_rate", "duration", "size", "sound_end", "streams"} <= set(
        by_name(found)
    )
    decoded = decode_checks(command.out, good())
    assert failed(decoded) == () and warned(decoded) == ()
    assert set(by_name(decoded)) == set(CHECKS)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("frames", {"frames": FRAMES + 1}),
        ("frame_rate", {"frame_rate": Fraction(30000, 1001)}),
        ("duration", {"frames": FRAMES - 1}),
        ("size", {"width": 640}),
        ("streams", {"has_audio": False}),
    ],
)
def test_the_structural_check_catches(name: str, wrong: dict[str, int], files: dict[str, Path], tmp_path: Path) -> None:
    command = rendered(good(), files, tmp_path)
    assert not by_name(structure.check(replace(command, **wrong)))[name].ok


def test_the_structural_check_catches_sound_that_ends_early(files: dict[str, Path], tmp_path: Path) -> None:
    command = rendered(good(), files, tmp_path)
    short = tuple(word.replace(f"end_sample={48000 * SECONDS}", "end_sample=140000") for word in command.argv)
    run(replace(command, argv=short))
    assert not by_name(structure.check(command))["sound_end"].ok


def test_the_structural_check_catches_a_cut_file(files: dict[str, Path], tmp_path: Path) -> None:
    command = rendered(good(), files, tmp_path)
    command.out.write_bytes(command.out.read_bytes()[:-2000])
    assert failed(structure.check(command))


def test_the_gate_catches_damaged_packets(files: dict[str, Path], tmp_path: Path) -> None:
    command = rendered(good(), files, tmp_path)
    data = bytearray(command.out.read_bytes())
    for at in range(len(data) // 2, len(data) - 500, 211):  # faststart: the second half is packets
        data[at] ^= 0xFF
    command.out.write_bytes(data)
    assert structure.check(command)[0].ok  # the index is whole: only decoding shows it
    assert [check.name for check in failed(decode_checks(command.out, good()))] == ["decodes"]


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("not_black", good("black")),
        ("not_frozen", good("still")),
        ("not_silent", good("moving", "silence")),
        ("loudness", good("moving", "loud", "tone")),
    ],
)
def test_the_gate_warns_of(name: str, scene: Timeline, files: dict[str, Path], tmp_path: Path) -> None:
    found = decode_checks(rendered(scene, files, tmp_path).out, scene)
    assert failed(found) == ()
    assert not by_name(found)[name].ok and by_name(found)[name].level == "warn"


def test_darkness_and_silence_that_the_timeline_wants_are_right(files: dict[str, Path], tmp_path: Path) -> None:
    """One second of nothing, one of video with sound, one of nothing; and a title that stands still."""
    scene = timeline(
        layer("moving", start=30, frames=30),
        layer(None, "text", start=30, frames=30, text=style("Hi"), box=box(10, 10, 100, 60)),
        sounds=(sound("tone", start=Fraction(1)),),
        frames=FRAMES,
        fill_color="#000000",
    )
    found = decode_checks(rendered(scene, files, tmp_path).out, scene)
    assert warned(found) == () and failed(found) == ()


def test_render_gives_a_checked_file(files: dict[str, Path], tmp_path: Path) -> None:
    scene = good()
    settings = Settings(data_dir=str(tmp_path / "home"))
    media = {name: probe(files[name], sha256(files[name]), settings=settings) for name in scene.sources}
    out = tmp_path / "out.mp4"
    seen: list[float] = []
    report = render(
        scene,
        media,
        files,
        PLAIN,
        out,
        workspace=tmp_path / "w",
        on_progress=lambda p: seen.append(p.fraction),
        nice=True,
    )
    assert report.size_bytes == out.stat().st_size > 1000
    assert failed(report.checks) == () and report.warnings == () and seen[-1] == 1.0


def test_render_refuses_to_deliver_a_wrong_file(files: dict[str, Path], tmp_path: Path) -> None:
    """A source with no frame left where the layer begins, though its header promised more: nothing to show."""
    settings = Settings(data_dir=str(tmp_path / "home"))
    info = probe(files["moving"], sha256(files["moving"]), settings=settings)
    assert info.video is not None
    lying = replace(info, duration=Fraction(1000), video=replace(info.video, frames=30_000))
    scene = timeline(layer("moving", frames=FRAMES, trim_start=Fraction(500)), frames=FRAMES)
    with pytest.raises((OutputWrong, SourceCorrupt)):
        render(scene, {"moving": lying}, files, PLAIN, tmp_path / "o.mp4", workspace=tmp_path / "w")


def test_a_source_that_breaks_while_reading_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    scene = good("moving", "tone")
    settings = Settings(data_dir=str(tmp_path / "home"))
    media = {name: probe(files[name], sha256(files[name]), settings=settings) for name in scene.sources}
    (tmp_path / "cut.mp4").write_bytes(files["moving"].read_bytes()[:3000])
    with pytest.raises(SourceCorrupt) as caught:
        render(
            scene, media, files | {"moving": tmp_path / "cut.mp4"}, PLAIN, tmp_path / "o.mp4", workspace=tmp_path / "w"
        )
    assert caught.value.details["source"] == "moving"
