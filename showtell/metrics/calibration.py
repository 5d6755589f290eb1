"""Calibration: does "90 percent sure" mean right nine times out of ten?

    ECE     = sum over bins of (share of answers in it) * |mean confidence - accuracy|        15 bins of equal width
    Brier   = mean of (confidence - right)²            for several classes: mean of sum_c (p_c - [c is true])²

(Guo et al. 2017, Brier 1950.) `official_ece` is torchmetrics' calibration error with the L1 norm: bins closed on the
left, and a confidence of exactly 1 alone in a bin of its own. `ece` closes bins on the right as in the paper, which
keeps 1.0 with its neighbours; `adaptive_ece` cuts the ranking into bins of equal *count*, which empty bins cannot
flatter. The confidence is the probability of the answer that was given; for options of a question, their letters'
probabilities normalised over the options. Every number depends on the bins: report how many.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def official_ece(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], bins: int = 15) -> float:
    """Expected calibration error as torchmetrics computes it, in the precision of `confidence`."""
    _require(confidence, right)
    edges = torch.linspace(0, 1, bins + 1, dtype=confidence.dtype)
    return _weighted_gap(confidence, right, torch.bucketize(confidence, edges, right=True))


def ece(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], bins: int = 15) -> float:
    """Expected calibration error over bins of equal width, closed on the right."""
    _require(confidence, right)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    return _weighted_gap(confidence.double(), right, torch.bucketize(confidence.double(), edges))


def adaptive_ece(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], bins: int = 15) -> float:
    """Expected calibration error over bins that hold equally many answers."""
    _require(confidence, right)
    rank = confidence.argsort(stable=True).argsort()
    return _weighted_gap(confidence.double(), right, rank * min(bins, len(rank)) // len(rank))


def brier(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"]) -> float:
    """Mean squared distance between confidence and truth, 0 is best."""
    _require(confidence, right)
    return (confidence.double() - right.double()).square().mean().item()


def brier_multiclass(probabilities: Float[Tensor, "n classes"], truth: Int[Tensor, " n"]) -> float:
    """Mean over answers of the squared distance of the whole distribution from the truth, 0 to 2."""
    if not len(truth) or len(truth) != len(probabilities):
        raise ValueError(f"{len(probabilities)} distributions for {len(truth)} truths; one each")
    true = torch.nn.functional.one_hot(truth.long(), probabilities.shape[1])
    return (probabilities.double() - true).square().sum(dim=1).mean().item()


def _weighted_gap(confidence: Tensor, right: Tensor, bin_of: Tensor) -> float:
    """Sum over bins of |sum of confidences - answers that are right|, over n: the counts cancel."""
    gaps = torch.zeros(int(bin_of.max()) + 1, dtype=confidence.dtype)
    gaps.scatter_add_(0, bin_of, confidence - right.to(confidence.dtype))
    return (gaps.abs().sum() / len(confidence)).item()


def _require(confidence: Tensor, right: Tensor) -> None:
    if not len(confidence) or len(confidence) != len(right):
        raise ValueError(f"{len(confidence)} confidences for {len(right)} answers; one each")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence lies between 0 and 1, and one of these does not")
