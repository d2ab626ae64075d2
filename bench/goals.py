"""What is measured against what, and when a goal is missed. Pure.

Each measure is a series of one number a pair. Its median is judged with a bootstrap 90 % interval; a goal is missed
only when even the better end of the interval misses it, so that noise alone never fails a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.90


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on the median of a measure."""

    name: str
    measure: str
    bound: float
    better: Literal["lower", "higher"]
    unit: str = "x"


GOALS: Final = (
    Goal(name="POST to answer / best, wall", measure="answer_over_best", bound=1.25, better="lower"),
    Goal(name="our render / best, wall", measure="render_wall_over_best", bound=1.10, better="lower"),
    Goal(name="our render / best, CPU", measure="render_cpu_over_best", bound=1.10, better="lower"),
    Goal(name="MoviePy / POST to answer", measure="moviepy_over_answer", bound=4.0, better="higher"),
    Goal(name="orchestration overhead", measure="overhead_ms", bound=250.0, better="lower", unit="ms"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal with what was measured. Without values it is not judged."""

    goal: Goal
    values: tuple[float, ...]
    median: float | None
    low: float | None
    high: float | None

    @property
    def missed(self) -> bool:
        """Whether even the interval's better end misses the bound."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.goal.bound if self.goal.better == "lower" else self.high < self.goal.bound


def judge(goal: Goal, values: Sequence[float]) -> Verdict:
    """The verdict on one goal."""
    if not values:
        return Verdict(goal=goal, values=(), median=None, low=None, high=None)
    low, high = interval(values)
    return Verdict(goal=goal, values=tuple(values), median=float(np.median(values)), low=low, high=high)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The percentile bootstrap interval of the median (Efron and Tibshirani 1993, ch. 13), always the same draws."""
    draws = np.random.default_rng(20260101).choice(np.asarray(values), size=(RESAMPLES, len(values)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.median(draws, axis=1), [tail, 1 - tail])
    return float(low), float(high)
