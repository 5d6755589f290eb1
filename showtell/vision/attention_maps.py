"""Reading attention maps: how far a head looks, and how sharply.

    weights  (heads, tokens, tokens)   row = a query patch, its shares over all key patches sum to 1
    distance mean over queries of  sum_k weights[q, k] * |place(q) - place(k)|     in patches (Dosovitskiy et al. 2021)
    entropy  mean over queries of -sum_k weights[q, k] log2 weights[q, k]          in bits; log2(tokens) = looks nowhere

A map tells where information may flow from, not what it did to the answer: that needs an intervention.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def patch_distances(rows: int, cols: int) -> Float[Tensor, "tokens tokens"]:
    """Euclidean distance between the centres of any two patches of a grid, in patches."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    places = torch.stack([y.flatten(), x.flatten()], dim=1).double()
    return torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist").float()


def attention_distance(
    weights: Float[Tensor, "*heads tokens tokens"], grid: tuple[int, int]
) -> Float[Tensor, "*heads"]:
    """Mean distance a head looks across, in patches."""
    return (weights * patch_distances(*grid).to(weights)).sum(dim=-1).mean(dim=-1)


def attention_entropy(weights: Float[Tensor, "*heads tokens tokens"]) -> Float[Tensor, "*heads"]:
    """Mean entropy of a head's rows, in bits."""
    return -(weights * weights.clamp(min=1e-30).log2()).sum(dim=-1).mean(dim=-1)
