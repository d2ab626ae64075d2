"""The three ways to render the timeline, each measured from outside: wall seconds, and CPU seconds of its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import media
from bench.timeline import CRF, FADE_OUT_S, FPS, INSET, LOGO, MUSIC_VOLUME, PRESET, TITLE_AT, TITLE_SECONDS, Run, job
from workflows.client import Client

MOVIEPY_SCRIPT = Path(__file__).with_name("moviepy_render.py")


class BenchError(Exception):
    """A contender did not render."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one rendering took, in seconds."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """One job through the system: POST to answer, and what its render children took of that."""

    answer_s: float
    render: Cost
    job_id: str
    result_url: str

    @property
    def overhead_s(self) -> float:
        """What the orchestration itself took."""
        return self.answer_s - self.render.wall_s


def ours(client: Client, run: Run, base: str) -> Ours:
    """Post the timeline and wait for the answer. Raises BenchError if the system did not answer with the result."""
    begin = time.perf_counter()
    answer = client.orchestrate(job(run, base))
    answer_s = time.perf_counter() - begin
    if answer["status"] != "immediate":
        raise BenchError(f"job {answer['jobId']} was not answered inline but {answer['status']}: {answer['message']}")
    found = client.job(answer["jobId"])
    outputs = [step.get("output") or {} for step in found["steps"] if step["name"] == "process"]
    if not outputs or any("render_wall_s" not in output for output in outputs):
        raise BenchError(f"job {answer['jobId']} does not say what its rendering took: {outputs}")
    render = Cost(
        wall_s=sum(output["render_wall_s"] for output in outputs),
        cpu_s=sum(output["render_cpu_s"] for output in outputs),
    )
    return Ours(answer_s=answer_s, render=render, job_id=answer["jobId"], result_url=answer["result_url"])


def best(folder: Path, run: Run, target: Path) -> Cost:
    """Render with the best hand-written command we know; its title and logo are rasterised before the clock starts."""
    logo, title = media.layers(folder, run)
    return measured(best_command(folder, logo, title, run, target))


def best_command(folder: Path, logo: Path, title: Path, run: Run, target: Path) -> list[str]:
    """argv: yuv420p overlays, the inset scaled first, the logo one frame held, the title looped for its fade only."""
    x, y, width, height = INSET
    span = ["-t", str(run.seconds), "-i"]
    start, end = TITLE_SECONDS
    graph = (
        f"[1:v]scale={width}:{height}:flags=bicubic[inset];[2:v]format=yuva420p[logo];"
        f"[3:v]format=yuva420p,fade=t=in:st=0:d=1:alpha=1,setpts=PTS+{start}/TB[title];"
        f"[0:v][inset]overlay={x}:{y}[a];[a][logo]overlay={LOGO[0]}:{LOGO[1]}[b];"
        f"[b][title]overlay={TITLE_AT[0]}:{TITLE_AT[1]}:eof_action=repeat:enable='between(t,{start},{end})'[v];"
        f"[4:a]volume={MUSIC_VOLUME}[music];[0:a][music]amix=inputs=2:duration=first:normalize=0,"
        f"afade=t=out:st={run.seconds - FADE_OUT_S}:d={FADE_OUT_S}[sound]"
    )
    return [
        *media.ffmpeg(), *span, str(folder / "background.mp4"), *span, str(folder / "inset.mp4"), "-i", str(logo),
        "-loop", "1", "-framerate", str(FPS), "-t", "1.1", "-i", str(title), *span, str(folder / "music.wav"),
        "-filter_complex", graph, "-map", "[v]", "-map", "[sound]", "-t", str(run.seconds),
        "-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", str(target),
    ]  # fmt: skip


def moviepy(library: Path, folder: Path, run: Run, target: Path) -> Cost:
    """Render with the MoviePy installed in `library`, as its own program with the same FFmpeg."""
    argv = [sys.executable, str(MOVIEPY_SCRIPT), str(folder), str(target), str(run.seconds), run.title]
    return measured(argv, {"PYTHONPATH": str(library), "FFMPEG_BINARY": media.ffmpeg()[0]})


def measured(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Cost:
    """Run a program and measure it with all it starts. Raises BenchError with its last words if it fails."""
    begin = time.perf_counter()
    child = subprocess.Popen(
        argv, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )  # fmt: skip
    words = child.stderr.read() if child.stderr else b""
    # wait4 rather than wait: its usage includes the grandchildren that the child has waited for.
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise BenchError(f"{Path(argv[0]).name} ended with {child.returncode}: {words.decode(errors='replace')[-500:]}")
    return Cost(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime)


def as_numbers(cost: Cost | Ours) -> dict[str, Any]:
    """A measurement as JSON."""
    if isinstance(cost, Ours):
        return {"answer_s": cost.answer_s, "overhead_s": cost.overhead_s, "render": as_numbers(cost.render)}
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s}
