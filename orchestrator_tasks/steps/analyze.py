"""analyze: real probes of the sources. The plan's guesses become facts, and a job of another class is re-planned."""

from __future__ import annotations

from dataclasses import asdict

from orchestrator_tasks.steps.replanning import replan_if_other_class
from orchestrator_tasks.steps.sources import files_of, probed, spec_of
from orchestrator_tasks.task import Context, Outcome


def run(ctx: Context) -> Outcome:
    """The output has every source's probe. Raises SourceCorrupt, SourceNotMedia or SourceOverLimits."""
    spec = spec_of(ctx)
    media = probed(ctx, files_of(ctx, spec))
    analysis = replan_if_other_class(ctx, spec, media)
    return Outcome(
        output={
            "media": {url: info.as_dict() for url, info in media.items()},
            "estimate": asdict(analysis.estimate),
            "complexity": analysis.complexity,
        }
    )
