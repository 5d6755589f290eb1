"""Attention between two sequences: one asks, the other is looked at.

    queries from x        (batch, queries, dim)
    keys, values from context   (batch, keys, context_dim)
    mixed = softmax(queries keys^T / sqrt(head_dim) + mask) values

The equation is that of `attention.py`; what differs is where keys and values come from, and that there are no
positions and no cache: the context is a set. Users: the resampler, the Q-Former and gated cross-attention (`fusion/`).
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import explicit_attention
from showtell.core.norms import NormKind, make_norm
from showtell.core.trace import Tap


@dataclass(frozen=True, kw_only=True)
class CrossAttentionConfig:
    """Shape of one cross-attention layer.

    dim, context_dim: widths of the asking and of the looked-at sequence.
    heads: number of query heads.
    kv_heads: number of key/value heads; divides `heads`; None means one for each query head.
    head_dim: width of a head; None means dim / heads.
    bias: biases in q, k, v and o.
    qk_norm: a norm over each head's queries and keys; None = none.
    norm_eps: of that norm.
    """

    dim: int
    context_dim: int
    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    bias: bool = False
    qk_norm: NormKind | None = None
    norm_eps: float = 1e-5


class CrossAttention(nn.Module):
    """Every token of `x` reads from `context`."""

    def __init__(self, config: CrossAttentionConfig):
        super().__init__()
        self.head_dim = config.head_dim or config.dim // config.heads
        kv_heads = config.kv_heads or config.heads
        if config.heads % kv_heads:
            raise ValueError(f"{config.heads} query heads cannot be shared by {kv_heads} key/value heads evenly")
        self.shared = config.heads // kv_heads
        self.q = nn.Linear(config.dim, config.heads * self.head_dim, bias=config.bias)
        self.k = nn.Linear(config.context_dim, kv_heads * self.head_dim, bias=config.bias)
        self.v = nn.Linear(config.context_dim, kv_heads * self.head_dim, bias=config.bias)
        self.o = nn.Linear(config.heads * self.head_dim, config.dim, bias=config.bias)
        norm = config.qk_norm
        self.q_norm = nn.Identity() if norm is None else make_norm(norm, self.head_dim, config.norm_eps)
        self.k_norm = nn.Identity() if norm is None else make_norm(norm, self.head_dim, config.norm_eps)
        self.weights = Tap()

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        context: Float[Tensor, "batch keys context_dim"],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """`mask` broadcasts to (batch, heads, queries, keys), True = may look; every query must see some key."""
        queries = self.q_norm(self.split(self.q(x)))
        keys, values = self.k_norm(self.split(self.k(context))), self.split(self.v(context))
        keys, values = (part.repeat_interleave(self.shared, dim=1) for part in (keys, values))
        if self.weights.active:
            mixed = (self.weights(explicit_attention(queries, keys, mask)) @ values.float()).to(values.dtype)
        else:
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.o(mixed.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Float[Tensor, "batch heads tokens head_dim"]:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
