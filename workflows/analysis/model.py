"""What the analysis of a timeline says. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What the cost of a timeline depends on. Mpx = million pixels, summed over all frames."""

    frames: int
    decode_mpx: float
    composite_mpx: float
    encode_mpx: float
    audio_s: float  # summed over sounds
    layers: int
    max_overlap: int  # most layers visible at once
    sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Predicted cost of one render on one node of the fleet, in wall seconds and bytes."""

    p50_s: float
    p90_s: float
    cpu_s: float
    memory_bytes: int
    disk_bytes: int
    parts: dict[str, float]  # named parts of p50_s: decode, composite, encode, audio, fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything a template looks at to decide whether a job is its own."""

    features: Features
    estimate: Estimate
    complexity: float  # 0..1
    complexity_parts: dict[str, float]
