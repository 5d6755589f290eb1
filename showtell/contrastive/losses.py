"""The two losses that put pictures and words into one space.

    s[i, j] = scale * image_i . text_j (+ bias)          embeddings of length one; pair i is (image_i, text_i)

InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021): which of the N texts belongs to this picture, and which
of the N pictures to this text? Two classifications with N classes.

    L = 1/2 sum_i [ log sum_j exp s[i, j] - s[i, i] ]  +  1/2 sum_i [ log sum_j exp s[j, i] - s[i, i] ]

Sigmoid (SigLIP, Zhai et al. 2023): does this text belong to this picture, yes or no, for each of the N^2 pairs?

    L = sum_ij log(1 + exp(-y s[i, j])),  y = 1 on the diagonal, -1 off it
      = sum_ij softplus(s[i, j]) - sum_i s[i, i]

Both are written as a reduction over all keys minus something about the pair itself, so that the same lines serve one
process and many, whole and in blocks (`reduction.py`). The result is a *sum over pairs*; divide by the number of pairs
of the whole global batch. Not here: encoding in pieces (`accumulate.py`), which model (`dual_encoder.py`).
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.contrastive.exchange import ALONE, Ring, check_equal_blocks, gather
from showtell.contrastive.reduction import Kind, reduce_scores

Spread = Literal["gather", "ring"]


def info_nce(
    image: Float[Tensor, "pairs dim"],
    text: Float[Tensor, "pairs dim"],
    scale: Float[Tensor, ""],
    *,
    smoothing: float = 0.0,
    block: int | None = None,
    ring: Ring = ALONE,
    spread: Spread = "ring",
) -> Float[Tensor, ""]:
    """Summed symmetric cross-entropy of this process's pairs against everybody's.

    Args:
        scale: exp(logit_scale), the inverse temperature.
        smoothing: share of the target spread evenly over all candidates, the right one included.
        block, ring, spread: how much is held at one time and how processes meet; the value does not depend on them.

    Raises ValueError for a batch of one pair in all: there is nothing to tell it from.
    """
    count = _count(image, text, ring)
    nothing = torch.zeros_like(scale)
    right = scale * (image * text).sum(dim=1)
    total = -2 * (1 - smoothing) * right.sum()
    for queries, keys in ((image, text), (text, image)):
        total = total + _over_all(queries, keys, scale, nothing, "lse", block, ring, spread).sum()
        if smoothing:
            everyone = gather(keys.sum(dim=0, keepdim=True), ring).sum(dim=0)
            total = total - smoothing / count * scale * (queries @ everyone).sum()
    return total / 2


def sigmoid_loss(
    image: Float[Tensor, "pairs dim"],
    text: Float[Tensor, "pairs dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    *,
    block: int | None = None,
    ring: Ring = ALONE,
    spread: Spread = "ring",
) -> Float[Tensor, ""]:
    """Summed binary cross-entropy of this process's pictures against everybody's texts; arguments as in `info_nce`."""
    _count(image, text, ring)
    right = scale * (image * text).sum(dim=1) + bias
    return _over_all(image, text, scale, bias, "softplus", block, ring, spread).sum() - right.sum()


def _over_all(
    queries: Tensor,
    keys: Tensor,
    scale: Tensor,
    bias: Tensor,
    kind: Kind,
    block: int | None,
    ring: Ring,
    spread: Spread,
) -> Tensor:
    if spread == "gather":
        keys, ring = gather(keys, ring), ALONE
    return reduce_scores(queries, keys, scale, bias, kind, block, ring)


def _count(image: Tensor, text: Tensor, ring: Ring) -> int:
    """Pairs of the global batch."""
    if image.shape != text.shape:
        raise ValueError(
            f"{len(image)} pictures of {image.shape[1:]} and {len(text)} texts of {text.shape[1:]} are no pairs"
        )
    check_equal_blocks(image, ring)
    count = len(image) * ring.size
    if count < 2:
        raise ValueError("a contrastive loss needs two pairs at least; one pair has nothing to be told from")
    return count
