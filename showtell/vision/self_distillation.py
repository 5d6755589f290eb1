"""Seeing without labels: a student learns to say about a crop what its own past says about the whole picture.

    picture --2 large crops--> teacher (average of past students) --sharpened, balanced--> p      no gradient
            --2 large + n small crops--> student ------------------------------softmax--> q
    L = mean over pairs of different crops of  - sum_k p_k log q_k                                (DINO)
      + the same for single patches that the student's crop had blanked out                       (iBOT)
      - w * mean log distance to the nearest other picture of the batch                           (KoLeo)

There are no negatives, so nothing *forbids* the solution "say the same of everything". Three things prevent it: the
teacher moves slowly (momentum), its answers are sharper than the student's (temperature), and they are balanced over
the K prototypes, by Sinkhorn-Knopp or by centring, so that no prototype can have everything. `collapse` measures
whether they did. Caron et al. 2021 (DINO), Zhou et al. 2022 (iBOT), Oquab et al. 2023 (DINOv2), Sablayrolles et al.
2019 (KoLeo).

Not here: crops (`multicrop.py`), the teacher and the step (`distill_step.py`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.engine.distributed import join_world


class PrototypeHead(nn.Module):
    """Features to scores of K prototypes: an MLP into a narrow unit vector, then directions of length one.

    With both sides of length one no prototype can win by being long.
    """

    def __init__(self, dim: int, prototypes: int, hidden: int = 256, bottleneck: int = 64):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = nn.Parameter(F.normalize(torch.randn(prototypes, bottleneck), dim=-1))

    def forward(self, features: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch prototypes"]:
        return F.normalize(self.mlp(features), dim=-1) @ F.normalize(self.prototypes, dim=-1).T


@torch.no_grad()
def sinkhorn(
    scores: Float[Tensor, "rows prototypes"], temperature: float, rounds: int = 3
) -> Float[Tensor, "rows prototypes"]:
    """Sharpened scores as distributions (rows sum to 1) that use all prototypes of the batch about equally.

    Alternately makes every column sum to rows / prototypes and every row sum to 1; in logarithms, so that no
    temperature overflows.
    """
    log_p = (scores.double() / temperature).log_softmax(dim=1)
    for _ in range(rounds):
        log_p = log_p - log_p.logsumexp(dim=0, keepdim=True)
        log_p = log_p - log_p.logsumexp(dim=1, keepdim=True)
    return log_p.exp().to(scores.dtype)


class SinkhornBalance(nn.Module):
    """The balance of DINOv2: within the batch of each rank, remembering nothing."""

    def forward(self, scores: Float[Tensor, "rows prototypes"], temperature: float) -> Float[Tensor, "rows prototypes"]:
        return sinkhorn(scores, temperature)

    def update(self, scores: Float[Tensor, "rows prototypes"]) -> None:
        pass


class Centring(nn.Module):
    """The balance of DINO: what is said of everything is subtracted, as a running mean over batches.

    softmax((scores - centre) / temperature),    centre <- m centre + (1 - m) mean(scores)      over all ranks

    It forbids one prototype for everything and would allow a uniform answer; the low temperature forbids that one.
    """

    def __init__(self, prototypes: int, momentum: float = 0.9):
        super().__init__()
        self.momentum = momentum
        self.centre = nn.Buffer(torch.zeros(prototypes))

    def forward(self, scores: Float[Tensor, "rows prototypes"], temperature: float) -> Float[Tensor, "rows prototypes"]:
        return ((scores - self.centre) / temperature).softmax(dim=-1)

    @torch.no_grad()
    def update(self, scores: Float[Tensor, "rows prototypes"]) -> None:
        *sums, rows = join_world().sum([*scores.sum(dim=0).tolist(), len(scores)], scores.device)
        if rows:
            self.centre.lerp_(torch.tensor(sums, device=scores.device) / rows, 1 - self.momentum)


def dino_loss(
    student: Sequence[Float[Tensor, "pictures prototypes"]],
    teacher: Sequence[Float[Tensor, "pictures prototypes"]],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Cross-entropy of each student crop against each *other* teacher crop, summed over pictures, mean over pairs.

    Args:
        student: scores of every crop, the large ones first and in the teacher's order.
        teacher: balanced distributions of the large crops.

    Raises ValueError when there is no pair of different crops.
    """
    pairs = [(q, p) for i, q in enumerate(student) for j, p in enumerate(teacher) if i != j]
    if not pairs:
        raise ValueError("one crop has nothing to agree with; give the student two crops at least")
    total = sum((-(p * (q / temperature).log_softmax(dim=-1)).sum() for q, p in pairs), torch.zeros(()))
    return total / len(pairs)


def ibot_loss(
    student: Float[Tensor, "pictures patches prototypes"],
    teacher: Float[Tensor, "masked prototypes"],
    masked: Bool[Tensor, "pictures patches"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Cross-entropy on blanked patches, the patches of one picture averaged, summed over pictures.

    Args:
        teacher: balanced distributions of the same patches, seen, in the order of `masked.nonzero()`.
    """
    losses = -(teacher * (student[masked] / temperature).log_softmax(dim=-1)).sum(dim=-1)
    share = 1 / masked.sum(dim=1).clamp(min=1)  # of each picture's patches
    return (losses * share[masked.nonzero()[:, 0]]).sum()


def koleo_loss(features: Float[Tensor, "pictures dim"], epsilon: float = 1e-8) -> Float[Tensor, ""]:
    """Summed -log distance to the nearest neighbour on the sphere: pushes apart what is most alike.

    Raises ValueError for a batch of one.
    """
    if len(features) < 2:
        raise ValueError("the nearest other picture of a batch of one does not exist")
    unit = F.normalize(features, dim=-1)
    with torch.no_grad():
        products = unit @ unit.T
        products.fill_diagonal_(-2)
        nearest = products.argmax(dim=1)
    return -((unit - unit[nearest]).norm(dim=1) + epsilon).log().sum()


def block_mask(
    grid: tuple[int, int], share: float, generator: torch.Generator, tries: int = 100
) -> Bool[Tensor, " patches"]:
    """A mask of `share` of the patches, to the patch, made of rectangles: single holes are filled in from next door."""
    rows, cols = grid
    wanted = round(share * rows * cols)
    mask = torch.zeros(rows, cols, dtype=torch.bool)
    draw = torch.rand(tries, 4, generator=generator).tolist()
    for size, shape, top, left in draw:
        area = max(1.0, (0.15 + 0.85 * size) * (wanted - int(mask.sum())))
        ratio = 3 ** (2 * shape - 1)  # height / width from 1/3 to 3
        height, width = min(rows, max(1, round((area * ratio) ** 0.5))), min(cols, max(1, round((area / ratio) ** 0.5)))
        y, x = int(top * (rows - height + 1)), int(left * (cols - width + 1))
        grown = mask.clone()
        grown[y : y + height, x : x + width] = True
        if int(grown.sum()) <= wanted:
            mask = grown
    missing = wanted - int(mask.sum())
    free = (~mask.flatten()).nonzero()[:, 0]
    mask.view(-1)[free[torch.randperm(len(free), generator=generator)[:missing]]] = True
    return mask.flatten()


class Collapse(NamedTuple):
    """Both in 0..1, as shares of log K.

    used: entropy of the mean distribution; near 0 = every picture gets the same prototype.
    unsure: mean entropy of single distributions; near 1 = no picture gets any.
    """

    used: float
    unsure: float

    @property
    def name(self) -> str | None:
        """What went wrong, or None."""
        if self.used < 0.1:
            return "one prototype for everything"
        return "every prototype for everything" if self.unsure > 0.99 else None


@torch.no_grad()
def collapse(probabilities: Float[Tensor, "rows prototypes"]) -> Collapse:
    """Of distributions over prototypes that were *not* balanced by Sinkhorn, which would hide it."""
    most = torch.tensor(float(probabilities.shape[1])).log()
    mean = probabilities.mean(dim=0)
    used, unsure = torch.special.entr(mean).sum() / most, torch.special.entr(probabilities).sum(dim=1).mean() / most
    return Collapse(float(used), float(unsure))
