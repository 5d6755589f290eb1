"""Intervals: how far a score could be off because only so many examples were tried.

    Wilson (1927), for a share of successes p = k / n, z = 1.96 for 95 %:

        center = (p + z²/2n) / (1 + z²/n)        half = z / (1 + z²/n) * sqrt(p (1 - p) / n + z²/4n²)

    Bootstrap (Efron 1979), for a mean of any values: draw n of the n values with replacement, many times; the middle
    95 % of the means is the interval. Seeded, so that a report is reproducible.

Unlike p ± z sqrt(p (1 - p) / n), Wilson's stays inside 0..1 and does not claim certainty at 10 of 10. Both assume that
the examples are independent: several questions about one picture are not, and then the values to pass are per-picture
means. Not here: comparing two models on the same examples, which needs paired differences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A score and the range that its true value lies in with the stated level of confidence."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Interval of a share. Raises ValueError unless 0 <= successes <= n and n > 0."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n} trials is no share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = successes / n, 1 + z * z / n
    center = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else center - half  # exactly, where rounding would leave 1e-17
    high = 1.0 if successes == n else center + half
    return Interval(share, low, high)


def bootstrap_mean(values: Sequence[float], seed: int, resamples: int = 2000, level: float = 0.95) -> Interval:
    """Percentile interval of the mean. Raises ValueError for no values."""
    if not len(values):
        raise ValueError("no values have no mean")
    data = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.array([data[rng.integers(len(data), size=len(data))].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(data.mean()), float(low), float(high))
