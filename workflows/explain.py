"""What would happen to a job, stage by stage, without running anything: the answer of `orchestrator explain`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workflows.analysis.analyse import analyse
from workflows.analysis.model import Analysis
from workflows.analysis.predict import Coefficients
from workflows.planning.model import Graph, Plan
from workflows.spec.media import MediaInfo
from workflows.spec.model import Element, JobSpec
from workflows.spec.outputs import MOST_CRF, made
from workflows.spec.schema import load
from workflows.spec.timeline import Layer, Sound, Timeline, resolve
from workflows.templates import TEMPLATES
from workflows.templates.choose import choose, make_plan
from workflows.templates.words import status_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every stage of one job, as the running system would compute it."""

    spec: JobSpec
    timeline: Timeline
    analysis: Analysis
    plan: Plan
    graph: Graph

    def as_dict(self) -> dict[str, Any]:
        """JSON form, with one entry an element: in paint order, back first."""
        return {
            "output_format": self.spec.output_format,
            "width": self.timeline.width,
            "height": self.timeline.height,
            "frame_rate": str(self.timeline.frame_rate),
            "frames": self.timeline.frames,
            "duration_s": float(self.timeline.duration),
            "elements": sorted(
                (_row(element, self) for element in self.spec.elements), key=lambda row: (row["track"], row["frames"])
            ),
            "assumed": list(self.timeline.assumed),
            "complexity": self.analysis.complexity,
            "complexity_parts": self.analysis.complexity_parts,
            "estimate_parts_s": self.analysis.estimate.parts,
            "p50_s": self.analysis.estimate.p50_s,
            "p90_s": self.analysis.estimate.p90_s,
            "need": asdict(self.plan.need),
            "template": self.plan.template,
            "reason": self.plan.choice.reason,
            "runner_up": self.plan.choice.runner_up,
            "flips_when": self.plan.choice.flips_when,
            "total_s": self.plan.total_s,
            "steps": [
                {"name": step.name, "queue": step.queue, "after": list(step.after), "time_limit_s": step.time_limit_s}
                for step in self.graph.steps
            ],
        }


def explain(
    body: Mapping[str, Any],
    threads: int = 2,
    *,
    coefficients: Coefficients | None = None,
    media: Mapping[str, MediaInfo] | None = None,
) -> Explanation:
    """Every stage of the job in `body`. Raises what submitting it would: InvalidSpec, or SourceCorrupt with `media`."""
    spec = load(body)
    timeline = resolve(spec, media or {})
    rendered = made(spec, timeline)
    analysis = analyse(rendered, spec.quality, coefficients, threads, media)
    plan = make_plan(spec, rendered, analysis, choose(spec, analysis), threads)
    graph = TEMPLATES[plan.template].graph(plan)
    return Explanation(spec=spec, timeline=timeline, analysis=analysis, plan=plan, graph=graph)


def as_text(explanation: Explanation) -> str:
    """The explanation for a terminal, one section a stage."""
    sections = (_spec, _timeline, _analysis, _choice, _plan, _steps)
    return "\n\n".join("\n".join(section(explanation)) for section in sections) + "\n"


def _row(element: Element, explanation: Explanation) -> dict[str, Any]:
    timeline = explanation.timeline
    layer = next((one for one in timeline.layers if one.element_id == element.id), None)
    sound = next((one for one in timeline.sounds if one.element_id == element.id), None)
    start, end = _frames(layer, sound, timeline)
    return {
        "id": element.id,
        "type": element.type,
        "track": element.track,
        "frames": [start, end],
        "seconds": [float(edge / timeline.frame_rate) for edge in (start, end)],
        "box": [layer.box.x, layer.box.y, layer.box.width, layer.box.height] if layer else None,
        "sound": sound is not None,
        "assumed": element.id in timeline.assumed,
    }


def _frames(layer: Layer | None, sound: Sound | None, timeline: Timeline) -> tuple[int, int]:
    """The first frame, and the one after the last; a picture outlasts its sound."""
    if layer:
        return layer.start, layer.start + layer.frames
    if sound:
        return int(sound.start * timeline.frame_rate), int((sound.start + sound.duration) * timeline.frame_rate)
    return 0, 0


def _spec(explanation: Explanation) -> Iterator[str]:
    spec = explanation.spec
    yield f"SPEC      {spec.output_format}, {spec.width}x{spec.height}, {spec.frame_rate} frames a second"
    quality = spec.quality
    grade = f" {quality.preset} CRF {quality.crf}" if quality.codec in MOST_CRF else ""
    yield f"          {len(spec.elements)} elements, {quality.codec}{grade}"
    yield f"          priority {spec.priority}, mode {spec.mode}, workflow {spec.workflow}"


def _timeline(explanation: Explanation) -> Iterator[str]:
    timeline = explanation.timeline
    yield f"TIMELINE  {timeline.frames} frames, {float(timeline.duration):.3f} s, on {timeline.fill_color}"
    for row in sorted((_row(element, explanation) for element in explanation.spec.elements), key=lambda r: r["track"]):
        x, y, width, height = row["box"] or (0, 0, 0, 0)
        where = f"{width}x{height} at {x},{y}" if row["box"] else "sound only"
        notes = (" with sound" if row["sound"] and row["box"] else "") + (" (assumed)" if row["assumed"] else "")
        first, after = row["frames"]
        when = f"frames {first} to {after - 1}" if after > first else "no frames"
        yield f"          track {row['track']:<3} {row['type']:<6} {row['id']:<20} {when:<20} {where}{notes}"


def _analysis(explanation: Explanation) -> Iterator[str]:
    counted, estimate = explanation.analysis.features, explanation.analysis.estimate
    yield (
        f"ANALYSIS  {counted.decode_mpx:.0f} Mpx decoded, {counted.composite_mpx:.0f} composited, "
        f"{counted.encode_mpx:.0f} encoded, {counted.audio_s:g} s of sound"
    )
    yield f"          {counted.layers} layers, at most {counted.max_overlap} at once, {counted.sources} sources"
    yield f"          complexity {explanation.analysis.complexity:.2f} = {_sum(explanation.analysis.complexity_parts)}"
    yield f"          render {estimate.p50_s:.1f} s (p90 {estimate.p90_s:.1f} s) = {_sum(estimate.parts)}"


def _choice(explanation: Explanation) -> Iterator[str]:
    choice = explanation.plan.choice
    yield f"CHOICE    {choice.template}: {choice.reason}"
    yield f"          next best: {choice.runner_up or 'none'}. {choice.flips_when}"


def _plan(explanation: Explanation) -> Iterator[str]:
    plan = explanation.plan
    need, threads = plan.need, plan.encoder.threads
    yield f"PLAN      {plan.total_s} s in all, tries after the first: {plan.retries.limit}, threads: {threads}"
    yield f"          reserves {need.memory_bytes / 1e6:.0f} MB memory and {need.disk_bytes / 1e6:.0f} MB disk"


def _steps(explanation: Explanation) -> Iterator[str]:
    yield f"STEPS     {len(explanation.graph.steps)}"
    for step in explanation.graph.steps:
        after = f"after {', '.join(step.after)}" if step.after else "first"
        yield (
            f"          {step.name:<14} {status_word(step.name):<20} on {step.queue:<12} {after:<20} "
            f"at most {step.time_limit_s} s"
        )


def _sum(parts: Mapping[str, float]) -> str:
    return " + ".join(f"{name} {amount:.2f}" for name, amount in parts.items())
