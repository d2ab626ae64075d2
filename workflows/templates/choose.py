"""Choosing the template of a job, and saying why in words a person can check. Pure."""

from __future__ import annotations

from workflows.analysis.model import Analysis
from workflows.planning.model import Choice, Plan
from workflows.spec.model import JobSpec
from workflows.spec.timeline import Timeline
from workflows.templates import TEMPLATES
from workflows.templates.model import Match


def choose(spec: JobSpec, analysis: Analysis) -> Choice:
    """The template for a job: the one the client names, else the first that takes it, else the last."""
    matched = {name: template.matches(analysis, spec) for name, template in TEMPLATES.items()}
    own = next((name for name, match in matched.items() if match.fits), list(matched)[-1])
    if spec.workflow != "auto":
        return _forced(spec.workflow, own, matched)
    return Choice(
        template=own,
        reason=_reason(own, matched, analysis),
        runner_up=runner_up(own, matched),
        flips_when=_flips(own, matched),
    )


def make_plan(spec: JobSpec, timeline: Timeline, analysis: Analysis, choice: Choice, threads: int) -> Plan:
    """The job's plan under the chosen template. The timeline is for templates that cut it into segments."""
    return TEMPLATES[choice.template].plan(spec, analysis, choice, threads)


def _forced(name: str, own: str, matched: dict[str, Match]) -> Choice:
    verdict = "which the analysis would choose too" if name == own else f"where the analysis would choose {own}"
    return Choice(
        template=name,
        reason=f"The job asks for {name}, {verdict}: {matched[name].why}.",
        runner_up=own if own != name else runner_up(own, matched),
        flips_when='Only when the job leaves out `workflow`, or sets it to "auto".',
    )


def _reason(own: str, matched: dict[str, Match], analysis: Analysis) -> str:
    estimate = analysis.estimate
    heaviest, seconds = max(estimate.parts.items(), key=lambda part: part[1])
    cost = (
        f"Rendering should take {estimate.p50_s:.1f} s, and nine times in ten at most {estimate.p90_s:.1f} s "
        f"({100 * seconds / estimate.p50_s:.0f} % of it {heaviest})"
    )
    passed = [f"{name} no: {matched[name].why}" for name in list(matched)[: list(matched).index(own)]]
    if matched[own].fits:
        return f"{cost}. {'; '.join([*passed, f'{own} yes: {matched[own].why}'])}."
    none = f"{own} takes it although {matched[own].why}, since no template for longer jobs exists yet"
    return f"{cost}. {'; '.join([*passed, none])}."


def runner_up(own: str, matched: dict[str, Match]) -> str | None:
    """The neighbour that is nearest: the one a little more or less work would lead to."""
    names = list(matched)
    position = names.index(own)
    edges = {}  # neighbour -> the amount at which the job would be its
    if position:
        edges[names[position - 1]] = matched[names[position - 1]].limit
    if position + 1 < len(names):
        edges[names[position + 1]] = matched[own].limit
    return min(edges, key=lambda name: abs(edges[name] - matched[own].amount), default=None)


def _flips(own: str, matched: dict[str, Match]) -> str:
    names = list(matched)
    position = names.index(own)
    below = names[position - 1] if position else None
    above = names[position + 1] if matched[own].fits and position + 1 < len(names) else None
    words = []
    if below:
        words.append(f"{below} below {_share(matched[below])}")
    if above:
        words.append(f"{above} above {_share(matched[own])}")
    return f"It would be {', or '.join(words)}." if words else "Nothing: there is one template."


def _share(match: Match) -> str:
    return f"{match.limit:g} s predicted ({match.limit / match.amount:.2g} times this job's cost)"
