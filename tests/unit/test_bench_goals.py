"""The benchmark's rules: the interval of a median, and when a goal is missed."""

from __future__ import annotations

import math

import pytest

from bench.goals import Goal, interval, judge


def exact_quantile(values: list[float], share: float) -> float:
    """Where the bootstrap's median lies with probability `share` or more below.

    For an odd number n of values, the resampled median is at most the k-th smallest exactly when at least (n + 1) / 2
    of n draws are among the k smallest: a binomial tail.
    """
    n, ordered = len(values), sorted(values)
    for k in range(1, n + 1):
        tail = sum(math.comb(n, i) * (k / n) ** i * (1 - k / n) ** (n - i) for i in range((n + 1) // 2, n + 1))
        if tail >= share:
            return ordered[k - 1]
    return ordered[-1]


@pytest.mark.parametrize("values", [[9.0, 1.0, 4.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0], [3.0, 1.0, 2.0, 7.0, 5.0]])
def test_the_interval_is_the_exact_bootstrap_interval_of_the_median(values: list[float]) -> None:
    assert interval(values) == (exact_quantile(values, 0.05), exact_quantile(values, 0.95))


@pytest.mark.parametrize(
    ("better", "bound", "values", "missed"),
    [
        ("lower", 1.10, [1.20, 1.20, 1.20], True),
        ("lower", 1.10, [1.00, 1.00, 1.00], False),
        ("lower", 1.10, [1.05, 1.20, 1.30], False),  # the median misses, the better end does not
        ("higher", 4.0, [3.0, 3.0, 3.0], True),
        ("higher", 4.0, [5.0, 5.0, 5.0], False),
        ("higher", 4.0, [3.0, 3.5, 4.5], False),
        ("higher", 4.0, [], False),  # what was not measured is not judged
    ],
)
def test_a_goal_is_missed_only_when_the_better_end_misses(
    better: str, bound: float, values: list[float], missed: bool
) -> None:
    goal = Goal(name="a", measure="a", bound=bound, better=better)  # type: ignore[arg-type]
    assert judge(goal, values).missed is missed
