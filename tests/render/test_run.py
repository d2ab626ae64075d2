"""The runner: progress, and every way to stop. Nothing is mocked: FFmpeg runs, hangs and is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from orchestrator_tasks.ffmpeg import launch
from orchestrator_tasks.ffmpeg.command import RenderCommand
from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.progress import Progress, ProgressReader
from orchestrator_tasks.ffmpeg.run import run
from tests.render.conftest import PLAIN, box, layer, style, timeline
from workflows.errors import Cancelled, DeadlineExceeded, OrchestratorError, RenderFailed, RenderStalled

WAIT_S = 20  # a bound for conditions that come true in milliseconds


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        threading.Event().wait(0.01)


def endless(folder: Path, **changes: object) -> RenderCommand:
    """A render of three hours of a title: longer than any test."""
    words = layer(None, "text", frames=300_000, text=style("Long"), box=box(10, 10, 300, 100))
    scene = timeline(words, frames=300_000)
    return replace(compile_timeline(scene, {}, {}, PLAIN, folder, out=folder / "long.mp4"), **changes)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def ffmpeg_children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "ffmpeg" in child.name()]


class Stopper:
    """Asks to stop as soon as frames have come out, and remembers FFmpeg's process."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason
        self.seen: list[Progress] = []
        self.pids: set[int] = set()

    def on_progress(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.pids |= {child.pid for child in ffmpeg_children()}

    def should_stop(self) -> str | None:
        return self.reason if self.seen and self.seen[-1].frame else None


def test_progress_rises_to_one_and_the_report_has_the_cost(tmp_path: Path) -> None:
    words = layer(None, "text", frames=900, text=style("Short"), box=box(10, 10, 300, 100))
    command = compile_timeline(timeline(words, frames=900), {}, {}, PLAIN, tmp_path, out=tmp_path / "o.mp4")
    seen: list[Progress] = []
    report = run(command, on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert seen[-1].frame == 900
    assert report.cpu_s > 0.05 and report.max_rss_bytes > 10_000_000 and report.stderr_tail == ()
    assert ffmpeg_children() == []


def test_a_stop_is_obeyed_and_nothing_is_left(tmp_path: Path) -> None:
    stopper = Stopper("the client cancelled")
    with pytest.raises(Cancelled, match="the client cancelled"):
        run(endless(tmp_path), on_progress=stopper.on_progress, should_stop=stopper.should_stop)
    assert stopper.pids and all(gone(pid) for pid in stopper.pids)
    assert ffmpeg_children() == []


def test_the_time_limit_ends_it(tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        run(endless(tmp_path), limit_s=0.3)
    assert ffmpeg_children() == []


def test_a_stopped_process_counts_as_stalled(tmp_path: Path) -> None:
    stopper = Stopper()

    def freeze(progress: Progress) -> None:
        stopper.on_progress(progress)
        if progress.frame:
            for pid in stopper.pids:
                os.kill(pid, signal.SIGSTOP)

    with pytest.raises(RenderStalled):
        run(endless(tmp_path), on_progress=freeze, stall_s=1.0)
    assert stopper.pids and all(gone(pid) for pid in stopper.pids)


def test_an_error_of_the_caller_leaves_nothing_running(tmp_path: Path) -> None:
    stopper = Stopper()

    def fail(progress: Progress) -> None:
        stopper.on_progress(progress)
        raise RuntimeError("the lease is gone")

    with pytest.raises(RuntimeError, match="the lease is gone"):
        run(endless(tmp_path), on_progress=fail)
    assert stopper.pids and all(gone(pid) for pid in stopper.pids)


def test_a_failure_carries_code_and_words(tmp_path: Path) -> None:
    command = endless(tmp_path)
    broken = replace(command, argv=tuple("nosuchpreset" if word == "veryfast" else word for word in command.argv))
    with pytest.raises(RenderFailed) as caught:
        run(broken)
    assert caught.value.details["exit_code"] != 0
    assert any("nosuchpreset" in line for line in caught.value.details["stderr"])


def test_the_file_size_limit_ends_it(tmp_path: Path) -> None:
    with pytest.raises(RenderFailed) as caught:
        run(endless(tmp_path, limits=Limits(file_bytes=50_000)))
    assert (tmp_path / "long.mp4").stat().st_size <= 50_000
    assert caught.value.details["exit_code"] != 0


def test_the_cpu_limit_ends_it(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError, match=r"SIGXCPU|SIGKILL"):
        run(endless(tmp_path, limits=Limits(cpu_s=1)))


def test_the_environment_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    with launch.start([sys.executable, "-c", "import os; print(dict(os.environ))"], bounds={}) as process:
        said, _ = process.communicate()
    assert b"canary" not in said and b"AWS" not in said


def test_nice_reaches_the_program() -> None:
    with launch.start([sys.executable, "-c", "import os; print(os.nice(0))"], bounds={}, nice=10) as process:
        assert process.communicate()[0].strip() == str(min(19, os.nice(0) + 10)).encode()


PARENT = """
import sys
from orchestrator_tasks.ffmpeg import launch
process = launch.start(["/bin/sleep", "600"], bounds={}, prefer_setpriv=sys.argv[1] == "setpriv")
print(process.pid, flush=True)
process.wait()
"""


@pytest.fixture(params=["setpriv", "shim"])
def parent(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", PARENT, request.param], stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_killed_parent_takes_its_child_along(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    eventually(lambda: psutil.Process(child).name() == "sleep")  # both guards have done their part and exec'd
    parent.kill()
    eventually(lambda: gone(child))


RENDERING = """
import sys
from pathlib import Path
from orchestrator_tasks.ffmpeg.run import run
from tests.render.test_run import endless
run(endless(Path(sys.argv[1])), on_progress=lambda progress: print(progress.frame, flush=True))
"""


def test_ffmpeg_dies_with_a_killed_renderer(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RENDERING, str(tmp_path)], stdout=subprocess.PIPE) as renderer:
        assert renderer.stdout is not None and renderer.stdout.readline()
        (ffmpeg,) = psutil.Process(renderer.pid).children()
        assert "ffmpeg" in ffmpeg.name()
        renderer.kill()
        eventually(lambda: gone(ffmpeg.pid))


def test_reports_are_read_however_the_bytes_arrive() -> None:
    said = b"frame=5\nout_time_us=166667\nspeed=2.5x\nprogress=continue\n"
    said += b"frame=3\nspeed=N/A\nprogress=continue\nframe=10\nprogress=end\n"
    whole = ProgressReader(frames=10).feed(said)
    reader = ProgressReader(frames=10)
    assert whole == [report for i in range(len(said)) for report in reader.feed(said[i : i + 1])]
    assert [report.fraction for report in whole] == [0.5, 0.5, 1.0]
    assert (whole[0].speed, whole[1].speed) == (2.5, 0.0)
    assert Fraction(whole[0].out_time_s).limit_denominator(1000) == Fraction(1, 6)
