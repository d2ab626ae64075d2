"""A timeline and local files in, a checked video file out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator_tasks.checks import structure
from orchestrator_tasks.checks.model import Check, failed
from orchestrator_tasks.ffmpeg import binary
from orchestrator_tasks.ffmpeg.compile import compile_timeline
from orchestrator_tasks.ffmpeg.inputs import Limits
from orchestrator_tasks.ffmpeg.progress import Progress
from orchestrator_tasks.ffmpeg.run import RunReport, run
from workflows.errors import OutputWrong
from workflows.planning.model import Encoder
from workflows.settings import Settings
from workflows.spec.media import MediaInfo
from workflows.spec.timeline import Timeline

NICE = 10  # of renders that are not in the quick lane


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReport:
    """What one render cost, what it lacks in words for people, and the checks its file passed."""

    run: RunReport
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]
    size_bytes: int


def render(
    timeline: Timeline,
    media: Mapping[str, MediaInfo],
    files: Mapping[str, Path],
    encoder: Encoder,
    out: Path,
    *,
    workspace: Path,
    output_format: str = "mp4",
    loop: bool = True,
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], str | None] = lambda: None,
    stall_s: float = 30.0,
    limit_s: float = 3600.0,
    nice: bool = False,
) -> RenderReport:
    """Render `timeline` into `out`, a file of `output_format`, and check the file's structure.

    Raises what `compile_timeline` and `run` raise, and OutputWrong when the file is not what was asked for.
    """
    settings = settings or Settings()
    workspace.mkdir(parents=True, exist_ok=True)
    command = compile_timeline(
        timeline,
        media,
        files,
        encoder,
        workspace,
        out=out,
        output_format=output_format,
        loop=loop,
        program=binary.locate(settings.ffmpeg),
        limits=Limits(max_pixels=settings.source_max_pixels),
    )
    report = run(
        command,
        on_progress=on_progress,
        should_stop=should_stop,
        stall_s=stall_s,
        limit_s=limit_s,
        nice=NICE if nice else 0,
    )
    checks = structure.check(command)
    _insist(checks)
    warnings = tuple(f"{warning.element_id}: {warning.message}" for warning in command.warnings)
    return RenderReport(run=report, warnings=warnings, checks=checks, size_bytes=out.stat().st_size)


def _insist(checks: tuple[Check, ...]) -> None:
    wrong = failed(checks)
    if wrong:
        names = ", ".join(check.name for check in wrong)
        raise OutputWrong(f"The rendered file fails: {names}.", details={"checks": [asdict(check) for check in checks]})
