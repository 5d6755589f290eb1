"""Normalisation over the channel dimension.

    LayerNorm   y = (x - mean) / sqrt(var + eps) * weight + bias          (Ba et al. 2016; ViT, CLIP)
    RMSNorm     y = x / sqrt(mean(x^2) + eps) * weight                    (Zhang and Sennrich 2019; Llama)
    offset RMS  y = x / sqrt(mean(x^2) + eps) * (1 + weight)              (Gemma; weight decay then pulls towards 1)

`torch.nn` has the first two; this file gives the three one constructor, so that a config can name its norm.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NormKind = Literal["layer", "rms", "offset_rms"]


class OffsetRMSNorm(nn.Module):
    """RMSNorm whose gain is stored as its distance from 1; the product is taken in float32."""

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return F.rms_norm(x.float(), self.weight.shape, 1.0 + self.weight.float(), self.eps).to(x.dtype)


NORMS: dict[NormKind, Callable[[int, float], nn.Module]] = {
    "layer": lambda dim, eps: nn.LayerNorm(dim, eps=eps),
    "rms": lambda dim, eps: nn.RMSNorm(dim, eps=eps),
    "offset_rms": OffsetRMSNorm,
}


def make_norm(kind: NormKind, dim: int, eps: float) -> nn.Module:
    """A norm over the last dimension of size `dim`."""
    return NORMS[kind](dim, eps)
