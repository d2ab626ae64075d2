"""Analysis of a timeline: what it makes a render do, how long that should take, how complex it is. Pure."""

from __future__ import annotations

from workflows.analysis.complexity import complexity_parts
from workflows.analysis.features import Media, features
from workflows.analysis.footprint import disk_bytes, memory_bytes
from workflows.analysis.model import Analysis, Estimate, Features
from workflows.analysis.predict import Coefficients, cpu_parts, encode_cost
from workflows.spec.model import Quality
from workflows.spec.timeline import Timeline


def analyse(
    timeline: Timeline,
    quality: Quality,
    coefficients: Coefficients | None = None,
    threads: int = 2,
    media: Media | None = None,
) -> Analysis:
    """The features, the estimate for one render with `threads` threads, and the complexity.

    The estimate is of the render alone: transfers and waiting depend on the network and the queue, not on the scene.
    """
    known = media or {}
    counted = features(timeline, known)
    parts = complexity_parts(counted, encode_cost(quality))
    return Analysis(
        features=counted,
        estimate=_estimate(
            counted,
            timeline=timeline,
            quality=quality,
            coefficients=coefficients or Coefficients(),
            threads=threads,
            media=known,
        ),
        complexity=sum(parts.values()),
        complexity_parts=parts,
    )


def _estimate(
    counted: Features, *, timeline: Timeline, quality: Quality, coefficients: Coefficients, threads: int, media: Media
) -> Estimate:
    cpu = cpu_parts(counted, encode_cost(quality), coefficients)
    wall = {name: seconds / coefficients.speed_up(threads) for name, seconds in cpu.items()}
    p50 = sum(wall.values())
    return Estimate(
        p50_s=p50,
        p90_s=p50 * coefficients.spread,
        cpu_s=sum(cpu.values()),
        memory_bytes=memory_bytes(timeline, media, quality.codec),
        disk_bytes=disk_bytes(timeline, media, quality.codec),
        parts=wall,
    )
