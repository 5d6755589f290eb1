"""The perceiver resampler: any number of image tokens in, a fixed few out (Flamingo: Alayrac et al. 2022).

    latents (learned)  ──┬──────────────────────────► + ──────────► + ──► norm ──► few tokens
                         │                            ▲             ▲
                         ├─ norm ─► queries ─┐        │             │
    image tokens ─ norm ─┴─► keys, values ───┴─ attn ─┘   norm, MLP ┘        x depth

The keys are the image tokens *and* the latents themselves, so a latent also sees what its fellows hold. A picture of
any size costs the decoder the same; what the latents did not ask for is lost. Idefics: LayerNorm and a plain ReLU
MLP; Idefics2: RMSNorm, grouped queries and a gated MLP.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.errors import ConfigError
from showtell.core.mlp import MLP, Activation, GatedMLP
from showtell.core.norms import NormKind, make_norm


@dataclass(frozen=True, kw_only=True)
class ResamplerConfig:
    """Shape of a resampler.

    dim: width of the image tokens and of the latents.
    latents: how many tokens come out.
    depth, heads, mlp_dim: the usual.
    kv_heads, head_dim: see `AttentionConfig`.
    qk_norm: whether queries and keys are normalised head by head, with the same kind of norm.
    gated, activation: of the MLP.
    norm, norm_eps: of every norm.
    """

    dim: int
    latents: int
    depth: int
    heads: int
    mlp_dim: int
    kv_heads: int | None = None
    head_dim: int | None = None
    qk_norm: bool = False
    gated: bool = False
    activation: Activation = "relu"
    norm: NormKind = "layer"
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.heads % (self.kv_heads or self.heads):
            raise ConfigError(f"{self.heads} query heads cannot share {self.kv_heads} key/value heads evenly")


class ResamplerLayer(nn.Module):
    """Latents look at the picture and at each other, then think."""

    def __init__(self, config: ResamplerConfig):
        super().__init__()
        self.norm_latents = make_norm(config.norm, config.dim, config.norm_eps)
        self.norm_context = make_norm(config.norm, config.dim, config.norm_eps)
        shape = AttentionConfig(
            dim=config.dim, heads=config.heads, kv_heads=config.kv_heads, head_dim=config.head_dim, bias=False
        )
        self.attn = CrossAttention(shape)
        if config.qk_norm:
            self.attn.q_norm = make_norm(config.norm, self.attn.head_dim, config.norm_eps)
            self.attn.k_norm = make_norm(config.norm, self.attn.head_dim, config.norm_eps)
        self.norm_mlp = make_norm(config.norm, config.dim, config.norm_eps)
        make_mlp = GatedMLP if config.gated else MLP
        self.mlp = make_mlp(config.dim, config.mlp_dim, config.activation, bias=False)

    def forward(
        self,
        latents: Float[Tensor, "images latents dim"],
        context: Float[Tensor, "images tokens dim"],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "images latents dim"]:
        asking = self.norm_latents(latents)
        seen = torch.cat([self.norm_context(context), asking], dim=1)
        latents = latents + self.attn(asking, seen, mask)
        return latents + self.mlp(self.norm_mlp(latents))


class Resampler(nn.Module):
    """Image tokens to `latents` tokens."""

    def __init__(self, config: ResamplerConfig):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(config.latents, config.dim) * config.dim**-0.5)
        self.layers = nn.ModuleList(ResamplerLayer(config) for _ in range(config.depth))
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)

    def forward(
        self, context: Float[Tensor, "images tokens dim"], valid: Bool[Tensor, "images tokens"] | None = None
    ) -> Float[Tensor, "images latents dim"]:
        """`valid` marks the image tokens that are not padding; None = all."""
        latents = self.latents.expand(len(context), -1, -1)
        mask = None
        if valid is not None:
            own = valid.new_ones(len(valid), latents.shape[1])
            mask = torch.cat([valid, own], dim=1)[:, None, None]  # (images, heads, queries, keys)
        for layer in self.layers:
            latents = layer(latents, context, mask)
        return self.norm(latents)
