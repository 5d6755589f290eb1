"""Attention between two sequences: one asks, the other is looked at.

    queries from x              (batch, queries, dim)
    keys, values from context   (batch, keys, context_dim)
    mixed = softmax(queries keys^T / sqrt(head_dim) + mask) values

The equation is that of `attention.py`; what differs is where keys and values come from, and that there are no
positions and no cache: the context is a set. Users: attention pooling (`vision/`), the resampler, the Q-Former and
gated cross-attention (`fusion/`).
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import AttentionBase, AttentionConfig


class CrossAttention(AttentionBase):
    """Every token of `x` reads from `context`."""

    def __init__(self, config: AttentionConfig, context_dim: int | None = None):
        """`context_dim` is the width of the context, None = config.dim."""
        super().__init__(config)
        if context_dim is not None:
            key_bias, value_bias = self.k.bias is not None, self.v.bias is not None
            self.k = nn.Linear(context_dim, self.kv_heads * self.head_dim, bias=key_bias)
            self.v = nn.Linear(context_dim, self.kv_heads * self.head_dim, bias=value_bias)

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        context: Float[Tensor, "batch keys context_dim"],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """`mask` broadcasts to (batch, heads, queries, keys), True = may look; every query must see some key."""
        queries = self.q_norm(self.split(self.q(x)))
        keys, values = self.k_norm(self.split(self.k(context))), self.split(self.v(context))
        mixed = self.mix(queries, keys, values, mask)  # (batch, heads, queries, head_dim)
        return self.o(mixed.transpose(1, 2).flatten(2))
