"""Normalisation over the channel dimension.

    LayerNorm   y = (x - mean) / sqrt(var + eps) * weight + bias          (Ba et al. 2016; ViT, CLIP)
    RMSNorm     y = x / sqrt(mean(x^2) + eps) * weight                    (Zhang and Sennrich 2019; Llama)

`torch.nn` has both; this file only gives them one constructor, so that a config can name its norm.
"""

from typing import Literal

from torch import nn

NormKind = Literal["layer", "rms"]


def make_norm(kind: NormKind, dim: int, eps: float) -> nn.Module:
    """A norm over the last dimension of size `dim`."""
    return nn.LayerNorm(dim, eps=eps) if kind == "layer" else nn.RMSNorm(dim, eps=eps)
