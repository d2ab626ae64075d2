"""qa: the decoding gate. The stored file is decoded whole and compared with what the timeline says."""

from __future__ import annotations

from dataclasses import asdict

from orchestrator_tasks.checks.decode import decode_checks
from orchestrator_tasks.steps.sources import spec_of
from orchestrator_tasks.task import Context, Outcome
from workflows.errors import OutputWrong
from workflows.spec.media import MediaInfo
from workflows.spec.outputs import made
from workflows.spec.timeline import resolve


def run(ctx: Context) -> Outcome:
    """The output has every check. Raises OutputWrong when one that must hold does not."""
    stored = ctx.claim.outputs["process"]
    spec = spec_of(ctx)
    path = ctx.scratch / f"output.{spec.output_format}"
    ctx.tools.store.get_file(stored["key"], path, on_bytes=lambda _: ctx.lease.alive())
    media = {url: MediaInfo.from_dict(info) for url, info in ctx.claim.outputs["analyze"]["media"].items()}
    checks = decode_checks(
        path,
        made(spec, resolve(spec, media)),
        settings=ctx.tools.settings,
        on_progress=lambda progress: ctx.lease.progress(progress.fraction),
        should_stop=ctx.lease.should_stop,
    )
    failed = [check for check in checks if not check.ok and check.level == "fail"]
    if failed:
        raise OutputWrong(
            f"the rendered file fails {failed[0].name}: {failed[0].detail}",
            details={"checks": [asdict(c) for c in checks]},
        )
    return Outcome(output={"checks": [asdict(check) for check in checks]})
