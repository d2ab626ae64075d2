"""validate: the sources answer within the rules, the fonts are here, the codec can be encoded."""

from __future__ import annotations

from orchestrator_tasks.fetch.peek import peek_all
from orchestrator_tasks.ffmpeg import fonts
from orchestrator_tasks.steps.sources import requests_of, spec_of, way_of
from orchestrator_tasks.task import Context, Outcome


def run(ctx: Context) -> Outcome:
    """Raises a SourceError naming the element, or FontMissing."""
    spec = spec_of(ctx)
    for element in spec.elements:
        if element.text is not None:
            fonts.find(element.text.font_family)
    requests = requests_of(spec, ctx.tenant)
    peek_all(requests, way_of(ctx))
    return Outcome(output={"sources": len(requests)})
