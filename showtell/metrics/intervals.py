"""Intervals: how far a score could be off because only so many examples were tried.

    Wilson (1927), for a share of successes p = k / n, z = 1.96 for 95 %:

        center = (p + z²/2n) / (1 + z²/n)        half = z / (1 + z²/n) * sqrt(p (1 - p) / n + z²/4n²)

    Bootstrap (Efron 1979), for a mean of any values: draw n of the n values with replacement, many times; the middle
    95 % of the means is the interval. Seeded, so that a report is reproducible.

    Cluster bootstrap, for questions that share pictures: draw *pictures* with replacement, each with all its questions.

    Paired difference, for two models on the same questions: interval of the mean of a_i - b_i, pictures drawn together,
    and p, the share of random sign flips (one coin a picture) that give a mean at least as far from 0.

Unlike p ± z sqrt(p (1 - p) / n), Wilson's stays inside 0..1 and does not claim certainty at 10 of 10. It and the plain
bootstrap assume independent examples; ten questions about one picture are not, and intervals that ignore it are too
narrow (Miller 2024, arXiv 2411.00640, whose clustered standard error is here too). With fewer than about 20 pictures no
interval of this kind is to be trusted.
"""

import math
from collections.abc import Hashable, Sequence
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


@dataclass(frozen=True)
class PairedDifference:
    """How much better `a` is than `b` on the same examples.

    difference: mean of a - b, with its interval.
    p_value: how often chance alone would give a difference at least as large, in either direction.
    better, worse: examples on which a is better, on which it is worse.
    """

    difference: Interval
    p_value: float
    better: int
    worse: int


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable], seed: int, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Percentile interval of the mean over all values, whole clusters (pictures) drawn with replacement.

    Raises ValueError for no values, or other than one cluster for each.
    """
    sums, counts = _totals(values, clusters)
    draws = _draws(len(sums), seed, resamples)
    low, high = np.quantile((draws @ sums) / (draws @ counts), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def clustered_standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean when values of one cluster vary together (Miller 2024, equation 4).

    Raises ValueError for fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values have no standard error")
    data = np.asarray(values, dtype=np.float64)
    residual = data - data.mean()
    sums, _ = _totals(residual.tolist(), clusters)
    between = (sums**2).sum() - (residual**2).sum()  # the products of different values of one cluster
    variance = residual.var(ddof=1) / len(data) + between / len(data) ** 2
    return math.sqrt(max(variance, 0.0))


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two runs over the same examples. Raises ValueError for lists of different lengths."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} scores against {len(b)}: a paired comparison needs both runs on the same examples")
    delta = [float(first) - float(second) for first, second in zip(a, b, strict=True)]
    sums, _ = _totals(delta, clusters)
    flips = np.random.default_rng([seed, 1]).integers(0, 2, size=(resamples, len(sums))) * 2 - 1
    observed = abs(sums.sum()) - 1e-12 * (1 + abs(sums).sum())  # so that rounding does not break ties with it
    p_value = (1 + int((abs(flips @ sums) >= observed).sum())) / (1 + resamples)
    interval = cluster_bootstrap(delta, clusters, seed, resamples, level)
    return PairedDifference(interval, p_value, sum(d > 0 for d in delta), sum(d < 0 for d in delta))


def _totals(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each cluster."""
    if not len(values) or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values in {len(clusters)} clusters; each value needs the name of its picture")
    number = {name: index for index, name in enumerate(dict.fromkeys(clusters))}
    where = np.array([number[name] for name in clusters])
    sums = np.bincount(where, weights=np.asarray(values, dtype=np.float64), minlength=len(number))
    return sums, np.bincount(where, minlength=len(number)).astype(np.float64)


def _draws(clusters: int, seed: int, resamples: int) -> np.ndarray:
    """How often each cluster was drawn, float[resamples, clusters]."""
    rng = np.random.default_rng(seed)
    return (
        np.stack([np.bincount(rng.integers(clusters, size=clusters), minlength=clusters) for _ in range(resamples)])
        * 1.0
    )
