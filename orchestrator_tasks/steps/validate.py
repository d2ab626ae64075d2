"""validate: the sources answer within the rules with the right kind of file, and the fonts are here."""

from __future__ import annotations

from dataclasses import replace

from orchestrator_tasks.fetch.peek import peek_all
from orchestrator_tasks.ffmpeg import fonts
from orchestrator_tasks.steps.sources import requests_of, spec_of, way_of
from orchestrator_tasks.task import Context, Outcome

LOOK_S = 8.0  # less than the step may stand still, so that a slow server is named as such


def run(ctx: Context) -> Outcome:
    """Raises a SourceError naming the element, or FontMissing."""
    spec = spec_of(ctx)
    for element in spec.elements:
        if element.text is not None:
            fonts.find(element.text.font_family)
    requests = requests_of(spec, ctx.tenant)
    way = way_of(ctx)
    peek_all(
        requests,
        replace(way, limits=replace(way.limits, total_s=LOOK_S, connect_s=LOOK_S, head_s=LOOK_S, idle_s=LOOK_S)),
    )
    return Outcome(output={"sources": len(requests)})
