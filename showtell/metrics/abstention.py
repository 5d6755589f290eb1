"""Abstention: what a model would be worth if it kept silent where it is unsure.

    answers sorted by confidence, the surest first
    coverage c = k / n        risk(c) = share of wrong answers among the k surest

    AURC = mean of risk(k / n) over k = 1 .. n             (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017)
    excess = AURC - the AURC of the same answers in the best possible order

Excess is 0 when every right answer is surer than every wrong one, whatever the accuracy. Answers of equal confidence
cannot be told apart, so that each of them has the mean risk over their possible orders. Not here: whether a confidence
of 0.9 means nine of ten (`calibration.py`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class RiskCoverage:
    """Share of questions answered, share of wrong ones among them, and the summary of the curve.

    area: AURC; excess: what of it is the order's fault.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float
    excess: float

    def coverage_at(self, risk: float) -> float:
        """The largest share of questions that can be answered with at most this share of mistakes."""
        return max((c for c, r in zip(self.coverage, self.risk, strict=True) if r <= risk), default=0.0)


def risk_coverage(confidence: Float[Tensor, " n"], score: Float[Tensor, " n"]) -> RiskCoverage:
    """`score` is how right each answer is, 0..1. Raises ValueError for no answers, or other than one score each."""
    if not len(confidence) or len(confidence) != len(score):
        raise ValueError(f"{len(confidence)} confidences for {len(score)} answers; one each")
    sure, wrong = np.asarray(confidence, dtype=np.float64), 1 - np.asarray(score, dtype=np.float64)
    if not (np.isfinite(sure).all() and np.isfinite(wrong).all()):
        raise ValueError("a confidence or a score is not a finite number")
    _, level, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    shared = (np.bincount(level, weights=wrong) / counts)[np.sort(level)]  # ties take the mean of their level
    risk, best = _running_mean(shared), _running_mean(np.sort(wrong))
    n = len(sure)
    area = float(risk.mean())
    coverage = tuple(((np.arange(n) + 1) / n).tolist())
    return RiskCoverage(coverage, tuple(risk.tolist()), area, area - float(best.mean()))


def _running_mean(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values) / (np.arange(len(values)) + 1)
