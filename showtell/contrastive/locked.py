"""LiT: real towers stay locked, and what joins them is trained on features that were computed once.

    image tower (frozen) -> features (cached) -> matrix ─┐
                                                         ├─ / length ─> InfoNCE
    text tower  (frozen) -> features (cached) -> matrix ─┘      or the identity: the texts keep their places

Locking the image tower keeps what it learned from many more labelled pictures than there are pairs, and lets the other
side come to it (Zhai et al. 2022). With both towers locked only matrices are left, a step costs microseconds a pair,
and thousands of pairs against each other fit into a laptop: batch size is no longer what limits. Locking the text side
too ("identity") puts pictures where a sentence encoder puts their captions, so that words of no training pair still
have a meaning. Not here: the features (`recipes/pair_features.py`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.contrastive.dual_encoder import Similarity
from showtell.engine.step import Loss


class LockedPair(nn.Module):
    """Two projections into one space.

    Args:
        image_width, text_width: of the cached features.
        dim: width of the space; None = the texts keep their places, and it is `text_width`.
    """

    def __init__(self, image_width: int, text_width: int, dim: int | None = None):
        super().__init__()
        self.image_projection = nn.Linear(image_width, dim or text_width)
        self.text_projection = nn.Identity() if dim is None else nn.Linear(text_width, dim)
        self.similarity = Similarity(biased=False)

    def images(self, features: Float[Tensor, "images width"]) -> Float[Tensor, "images dim"]:
        return F.normalize(self.image_projection(features), dim=-1)

    def texts(self, features: Float[Tensor, "texts width"]) -> Float[Tensor, "texts dim"]:
        return F.normalize(self.text_projection(features), dim=-1)


@dataclass(frozen=True)
class FeatureBatch:
    """Pair i is image i and text i.

    images: (pairs, width).
    texts: (pairs, width).
    concept: (pairs,) equal where two captions are the same, so that neither is the other's negative.
    """

    images: Tensor
    texts: Tensor
    concept: Tensor


def masked_info_nce(logits: Float[Tensor, "pairs pairs"], concept: Int[Tensor, " pairs"]) -> Float[Tensor, ""]:
    """InfoNCE summed over pairs, in which pairs of one concept are not each other's negatives."""
    itself = torch.eye(len(concept), dtype=torch.bool, device=logits.device)
    alike: Bool[Tensor, "pairs pairs"] = (concept[:, None] == concept) & ~itself
    scores = logits.masked_fill(alike, float("-inf"))
    right = torch.arange(len(concept), device=logits.device)
    return (F.cross_entropy(scores, right, reduction="sum") + F.cross_entropy(scores.T, right, reduction="sum")) / 2


@torch.no_grad()
def fit_projection(
    features: Float[Tensor, "rows width"],
    places: Float[Tensor, "rows dim"],
    weight: Float[Tensor, " rows"],
    shrink: float = 0.03,
) -> tuple[Float[Tensor, "dim width"], Float[Tensor, " dim"]]:
    """(matrix, bias) that put features nearest to where their texts are, by weighted ridge regression.

    No negatives, no steps, no learning rate, and the best start for InfoNCE. `shrink` is relative to the mean square of
    a feature.
    """
    x = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    left = (x * weight[:, None]).T @ x
    left += shrink * left.diagonal()[:-1].mean() * torch.eye(len(left), dtype=torch.float64)
    found = torch.linalg.solve(left, (x * weight[:, None]).T @ places.double()).float()  # (width + 1, dim)
    return found[:-1].T.contiguous(), found[-1]


def locked_step(model: LockedPair, batch: FeatureBatch) -> Loss:
    """`step(model, batch) -> Loss` for `engine/loop.py`."""
    images, texts = model.images(batch.images), model.texts(batch.texts)
    logits = model.similarity(images, texts)
    right = (logits.argmax(dim=1) == torch.arange(len(logits))).float().mean()
    return Loss(masked_info_nce(logits, batch.concept), float(len(logits)), {"local_accuracy": float(right)})
