"""How good is a representation? Ask the simplest classifiers that can be put on top of it.

    k-NN           the label most of its nearest neighbours have, weighted by exp(cosine / 0.07)    nothing is trained
    linear probe   argmin_W ||X W - Y||^2 + ridge ||W||^2, in closed form                          one matrix is

A gain of a deep classifier could be its own; these two can only use what the features already say. Features are
standardised by the mean and deviation of the training rows. The ridge is chosen on a fifth of the training rows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

RIDGES = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4)


def knn(
    train: Float[Tensor, "train dim"],
    labels: Int[Tensor, " train"],
    rows: Float[Tensor, "rows dim"],
    k: int = 10,
    temperature: float = 0.07,
) -> Int[Tensor, " rows"]:
    """Labels by the vote of the k nearest training rows in cosine (Wu et al. 2018, as DINO reports it)."""
    similarity = F.normalize(rows, dim=-1) @ F.normalize(train, dim=-1).T
    nearest, index = similarity.topk(min(k, len(train)), dim=1)
    votes = torch.zeros(len(rows), int(labels.max()) + 1, dtype=nearest.dtype)
    votes.scatter_add_(1, labels[index], (nearest / temperature - nearest[:, :1] / temperature).exp())
    return votes.argmax(dim=1)


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier on standardised features.

    mean, deviation: (dim,) of the training rows.
    weights: (dim + 1, classes), the last row is the bias.
    ridge: the penalty that was chosen.
    """

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    ridge: float

    def scores(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows classes"]:
        standard = (rows.double() - self.mean) / self.deviation
        return standard @ self.weights[:-1] + self.weights[-1]

    def predict(self, rows: Float[Tensor, "rows dim"]) -> Int[Tensor, " rows"]:
        return self.scores(rows).argmax(dim=1)


def fit_probe(
    rows: Float[Tensor, "rows dim"], labels: Int[Tensor, " rows"], ridge: float | None = None, seed: int = 0
) -> LinearProbe:
    """The ridge classifier of labelled rows.

    Raises ValueError when there are fewer than two classes.
    """
    if len(labels.unique()) < 2:
        raise ValueError("a probe needs rows of two classes at least")
    if ridge is None:
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        held, kept = order[: max(1, len(rows) // 5)], order[max(1, len(rows) // 5) :]
        right = {r: _accuracy(fit(rows[kept], labels[kept], labels, r), rows[held], labels[held]) for r in RIDGES}
        ridge = max(RIDGES, key=lambda r: (right[r], r))  # of equals the simplest
    return fit(rows, labels, labels, ridge)


def fit(rows: Tensor, labels: Tensor, all_labels: Tensor, ridge: float) -> LinearProbe:
    """One ridge regression onto one-hot labels; `all_labels` says how many classes there are."""
    x, mean = rows.double(), rows.double().mean(dim=0)
    deviation = x.std(dim=0, correction=0).clamp(min=1e-8)
    x = (x - mean) / deviation
    y = F.one_hot(labels, int(all_labels.max()) + 1).double()
    bias = y.mean(dim=0)  # features are centred, so the bias is apart from the rest
    system = x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(system, x.T @ (y - bias))
    return LinearProbe(mean, deviation, torch.cat([weights, bias[None]]), ridge)


def _accuracy(probe: LinearProbe, rows: Tensor, labels: Tensor) -> float:
    return float((probe.predict(rows) == labels).double().mean())
