"""Gated cross-attention (Flamingo: Alayrac et al. 2022; Idefics): the decoder looks aside instead of reading pictures.

    x = x + tanh(a) * cross_attention(norm(x), image tokens)
    x = x + tanh(b) * mlp(norm(x))

Such a layer stands between the blocks of a frozen language model. With a = b = 0 the language model is exactly what it
was; training opens the gates. Pictures cost no place in the sequence. Each token may look at certain pictures only
(in Flamingo at the last one before it); a token that may look at none passes the first line unchanged.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.mlp import Activation, GatedMLP
from showtell.core.norms import make_norm


@dataclass(frozen=True, kw_only=True)
class GatedCrossConfig:
    """Shape of a gated layer.

    dim, heads, mlp_dim, activation, norm_eps: as in the decoder.
    context_dim: width of the image tokens.
    qk_norm: whether queries and keys are normalised (RMS) head by head.
    per_channel: one gate a channel instead of one for the layer.
    """

    dim: int
    heads: int
    mlp_dim: int
    context_dim: int
    activation: Activation = "silu"
    norm_eps: float = 1e-6
    qk_norm: bool = False
    per_channel: bool = False


class GatedCrossBlock(nn.Module):
    """A look at the pictures, then an MLP, both behind a gate that starts shut."""

    def __init__(self, config: GatedCrossConfig):
        super().__init__()
        self.norm1 = make_norm("rms", config.dim, config.norm_eps)
        shape = AttentionConfig(
            dim=config.dim,
            heads=config.heads,
            bias=False,
            qk_norm_eps=config.norm_eps if config.qk_norm else None,
        )
        self.attn = CrossAttention(shape, config.context_dim)
        self.norm2 = make_norm("rms", config.dim, config.norm_eps)
        self.mlp = GatedMLP(config.dim, config.mlp_dim, config.activation)
        gate = (1, 1, config.dim) if config.per_channel else (1,)
        self.gate1 = nn.Parameter(torch.zeros(gate))
        self.gate2 = nn.Parameter(torch.zeros(gate))

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        context: Float[Tensor, "batch image_tokens context_dim"],
        mask: Bool[Tensor, "batch tokens image_tokens"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """`mask` is True where a token may look at an image token; rows may be empty."""
        sees = mask.any(dim=-1, keepdim=True)  # (batch, tokens, 1)
        looked = self.attn(self.norm1(x), context, (mask | ~sees)[:, None])
        x = x + self.gate1.tanh() * looked * sees
        return x + self.gate2.tanh() * self.mlp(self.norm2(x))
