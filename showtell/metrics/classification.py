"""Classification: top-k accuracy, the mean over classes, and average precision where several labels are true.

    top-k            share of pictures whose class is among the k highest scores
    mean per class   mean over the classes that occur of each one's top-1 share (scikit-learn's balanced accuracy)
    mAP              mean over labels of  sum_i (R_i - R_{i-1}) P_i  down the ranking by score

`official_top_k` uses `torch.topk` as open_clip and CLIP_benchmark do: ties go by class index, so a model that says
the same for all classes is right about class 0. `top_k` counts tied rivals as ranked before. `mean_average_precision`
is scikit-learn's, all tied scores one step; labels that never occur are left out there with a warning and here on
purpose. Zero-shot scores also depend on templates, class names and their normalisation: those belong to the report.
Not here: VOC's 11-point average precision.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def official_top_k(scores: Float[Tensor, "n classes"], truth: Int[Tensor, " n"], k: int = 1) -> float:
    """Share of hits, ties by class index. Raises ValueError for classes that do not exist."""
    _require(scores, truth)
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (best == truth[:, None]).any(dim=1).double().mean().item()


def top_k(scores: Float[Tensor, "n classes"], truth: Int[Tensor, " n"], k: int = 1) -> float:
    """Share of hits, ties against us. Raises ValueError for classes that do not exist."""
    return _hits(scores, truth, k).double().mean().item()


def mean_per_class(scores: Float[Tensor, "n classes"], truth: Int[Tensor, " n"]) -> float:
    """Mean over the classes that occur in `truth` of their top-1 share, ties against us."""
    hits = _hits(scores, truth, 1).double()
    return torch.stack([hits[truth == label].mean() for label in truth.unique()]).mean().item()


def mean_average_precision(scores: Float[Tensor, "n labels"], truth: Bool[Tensor, "n labels"]) -> float:
    """Mean over labels of average precision. Raises ValueError when no label is ever true."""
    values = [_average_precision(*column) for column in zip(scores.T.double(), truth.T, strict=True) if column[1].any()]
    if not values:
        raise ValueError("no label is true for any picture, so no average precision is defined")
    return sum(values) / len(values)


def _average_precision(scores: Tensor, truth: Tensor) -> float:
    order = scores.argsort(descending=True)
    scores, hits = scores[order], truth[order].double().cumsum(0)
    last_of_tie = torch.cat([scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool)])
    precision = (hits / torch.arange(1, len(hits) + 1))[last_of_tie]
    recall = (hits / hits[-1])[last_of_tie]
    return (recall.diff(prepend=torch.zeros(1, dtype=recall.dtype)) * precision).sum().item()


def _hits(scores: Tensor, truth: Tensor, k: int) -> Tensor:
    _require(scores, truth)
    own = scores.gather(1, truth[:, None].long())
    return (scores >= own).sum(dim=1) - 1 < k  # the class itself is always among those


def _require(scores: Tensor, truth: Tensor) -> None:
    n, classes = scores.shape
    if not n or len(truth) != n or truth.min() < 0 or truth.max() >= classes:
        raise ValueError(f"{n} rows of scores over {classes} classes need {n} true classes from 0 to {classes - 1}")
