"""Multi-head attention, once, for every model of the library (Vaswani et al. 2017; grouped queries: Ainslie et al.
2023).

    weights = softmax(queries keys^T / sqrt(head_dim) + mask)          (batch, heads, queries, keys)
    mixed   = weights values                                          (batch, heads, queries, head_dim)

Families change three details: queries and keys may be RMS-normalised a head at a time before they are rotated (Qwen3);
the scores may have another factor; and they may be bent into a bound, cap * tanh(scores / cap), before the mask (Gemma
2). Two forms give the same numbers. The fused form never builds the weights and is what training and inference run; the
explicit form builds them, and runs when somebody listens to the `weights` tap (`core/trace.py`), or where there is a
cap. A test holds the two together at 1e-5. Grouped queries (`kv_heads < heads`) let several query heads share one
key/value head. The cache, if there is one, is handed in by the caller and only appended to here.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.norms import make_norm
from showtell.core.rope import Rotation, rotate
from showtell.core.trace import Tap


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Shape of one attention layer.

    dim: width of the residual stream.
    heads: number of query heads.
    kv_heads: number of key/value heads; divides `heads`; None means one for each query head.
    head_dim: width of a head; None means dim / heads.
    bias: whether q, k and v have biases.
    key_bias, out_bias: whether k and o have one; None = as `bias`.
    qk_norm_eps: epsilon of an RMSNorm of each query and key head; None = no such norm.
    scale: factor of the scores; None = 1 / sqrt(head_dim).
    softcap: bound that the scores approach through tanh; None = unbounded.
    """

    dim: int
    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    bias: bool = True
    key_bias: bool | None = None
    out_bias: bool | None = None
    qk_norm_eps: float | None = None
    scale: float | None = None
    softcap: float | None = None


class LayerCache(Protocol):
    """Keys and values of one layer seen so far (`text/kv_cache.py`)."""

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]: ...


def soft_cap(x: Float[Tensor, "*batch"], cap: float) -> Float[Tensor, "*batch"]:
    """Bend x smoothly into (-cap, cap)."""
    return cap * torch.tanh(x / cap)


def explicit_attention(
    queries: Float[Tensor, "batch heads q head_dim"],
    keys: Float[Tensor, "batch heads k head_dim"],
    mask: Bool[Tensor, "..."] | None,
    scale: float | None = None,
    softcap: float | None = None,
) -> Float[Tensor, "batch heads q k"]:
    """Softmax weights, computed in float32."""
    scores = (queries.float() @ keys.float().transpose(-2, -1)) * (scale or queries.shape[-1] ** -0.5)
    if softcap is not None:
        scores = soft_cap(scores, softcap)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=-1)


class AttentionBase(nn.Module):
    """The projections and the mixing that self-attention and cross-attention (`core/cross_attention.py`) share."""

    def __init__(self, config: AttentionConfig):
        super().__init__()
        self.heads = config.heads
        self.kv_heads = config.kv_heads or config.heads
        self.head_dim = config.head_dim or config.dim // config.heads
        if self.heads % self.kv_heads:
            raise ValueError(f"{config.heads} query heads cannot be shared by {self.kv_heads} key/value heads evenly")
        key_bias, out_bias = (config.bias if b is None else b for b in (config.key_bias, config.out_bias))
        self.q = nn.Linear(config.dim, self.heads * self.head_dim, bias=config.bias)
        self.k = nn.Linear(config.dim, self.kv_heads * self.head_dim, bias=key_bias)
        self.v = nn.Linear(config.dim, self.kv_heads * self.head_dim, bias=config.bias)
        self.o = nn.Linear(self.heads * self.head_dim, config.dim, bias=out_bias)
        self.q_norm, self.k_norm = (
            nn.Identity() if config.qk_norm_eps is None else make_norm("rms", self.head_dim, config.qk_norm_eps)
            for _ in range(2)
        )
        self.scale, self.softcap = config.scale, config.softcap
        self.weights = Tap()

    def split(self, x: Tensor) -> Float[Tensor, "batch heads tokens head_dim"]:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        if self.weights.active or self.softcap is not None:
            keys, values = (part.repeat_interleave(self.heads // self.kv_heads, dim=1) for part in (keys, values))
            weights = self.weights(explicit_attention(queries, keys, mask, self.scale, self.softcap))
            return (weights @ values.float()).to(values.dtype)
        grouped = self.kv_heads != self.heads
        return F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, scale=self.scale, enable_gqa=grouped
        )


class Attention(AttentionBase):
    """Self-attention with optional rotary positions, grouped queries and a key/value cache."""

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "..."] | None = None,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """`mask` broadcasts to (batch, heads, tokens, keys), True = may look; None = everybody sees everybody."""
        queries, keys, values = (self.split(part) for part in (self.q(x), self.k(x), self.v(x)))
        queries, keys = self.q_norm(queries), self.k_norm(keys)
        if rotation is not None:
            queries, keys = rotate(queries, rotation), rotate(keys, rotation)
        if cache is not None:
            keys, values = cache.append(keys, values)
        mixed = self.mix(queries, keys, values, mask)  # (batch, heads, tokens, head_dim)
        return self.o(mixed.transpose(1, 2).flatten(2))
