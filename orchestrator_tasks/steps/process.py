"""process: render the timeline in one FFmpeg command, check the file, put it into the store under the attempt's key."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

from orchestrator_tasks.ffmpeg.progress import Progress
from orchestrator_tasks.ffmpeg.render import RenderReport, render
from orchestrator_tasks.steps.replanning import replan_if_other_class
from orchestrator_tasks.steps.sources import files_of, probed, spec_of
from orchestrator_tasks.task import Context, Outcome
from workflows import failpoints
from workflows.db.patience import patiently
from workflows.jobs import artifacts
from workflows.spec.media import MediaInfo
from workflows.spec.model import JobSpec
from workflows.spec.outputs import OUTPUTS, made
from workflows.spec.timeline import resolve
from workflows.storage.keys import step_output_key

UPLOADING = 0.97  # the render's share of the step's progress


def run(ctx: Context) -> Outcome:
    """The output names the stored file. Raises RenderFailed, RenderStalled, OutputWrong, StorageFailed, SourceError."""
    spec = spec_of(ctx)
    files = files_of(ctx, spec)
    media = _media(ctx, spec, files)
    out = ctx.scratch / f"out.{spec.output_format}"

    def on_progress(progress: Progress) -> None:
        ctx.lease.progress(progress.fraction * UPLOADING)

    report = render(
        made(spec, resolve(spec, media)),
        media,
        files,
        ctx.claim.plan.encoder,
        out,
        output_format=spec.output_format,
        loop=spec.loop,
        workspace=ctx.scratch,
        settings=ctx.tools.settings,
        nice=ctx.claim.plan.template != "quick_sync",
        stall_s=min(ctx.claim.stall_s, ctx.tools.settings.stall_s),
        limit_s=ctx.claim.time_limit_s,
        on_progress=on_progress,
        should_stop=ctx.lease.should_stop,
    )
    ctx.lease.raise_if_stopped()
    failpoints.hit("after_encode_before_upload")
    content_type = OUTPUTS[spec.output_format].content_type
    return Outcome(output={**_store(ctx, out, content_type), **_facts(report)})


def _media(ctx: Context, spec: JobSpec, files: dict[str, Path]) -> dict[str, MediaInfo]:
    """The probes: of `analyze` where the template has it, else made here."""
    known = ctx.claim.outputs.get("analyze")
    if known is not None:
        return {url: MediaInfo.from_dict(info) for url, info in known["media"].items()}
    media = probed(ctx, files)
    replan_if_other_class(ctx, spec, media)
    return media


def _store(ctx: Context, out: Path, content_type: str) -> dict[str, object]:
    with out.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    claim = ctx.claim
    key = step_output_key(ctx.tenant, claim.orchestration_id, claim.name, claim.fence, sha256=sha256, suffix=out.suffix)
    size = out.stat().st_size

    def stage() -> None:
        with ctx.tools.engine.begin() as conn:
            artifacts.stage(conn, claim, key, sha256=sha256, size_bytes=size)

    patiently(stage)
    ctx.tools.store.put_file(key, out, content_type=content_type, sha256=sha256, on_bytes=lambda _: ctx.lease.alive())
    failpoints.hit("after_upload_before_commit")
    return {"key": key, "sha256": sha256, "size_bytes": size}


def _facts(report: RenderReport) -> dict[str, object]:
    return {
        "render_wall_s": round(report.run.wall_s, 4),
        "render_cpu_s": round(report.run.cpu_s, 4),
        "render_max_rss_bytes": report.run.max_rss_bytes,
        "warnings": list(report.warnings),
        "checks": [asdict(check) for check in report.checks],
    }
