"""The Q-Former of BLIP-2 (Li et al. 2023): a small BERT whose input is a handful of learned questions.

    queries (learned) ─► norm ─► [ self-attention ─ cross-attention to the picture (every k-th layer) ─ MLP ] x depth

It differs from the resampler in three ways: the queries attend to each other and to the picture in *separate* steps,
only every k-th layer looks at the picture, and the norm stands *after* each sum (BERT's post-norm):

    x = norm(x + f(x))

Not here: the text branch of its pre-training (contrast, matching, captioning), which BLIP-2 drops once the language
model is connected.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.attention import Attention, AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.mlp import MLP, Activation


@dataclass(frozen=True, kw_only=True)
class QFormerConfig:
    """Shape of a Q-Former.

    dim, depth, heads, mlp_dim, activation: of the BERT.
    queries: how many tokens come out.
    context_dim: width of the image tokens.
    cross_every: layers 0, k, 2k, ... look at the picture.
    norm_eps: of every norm.
    """

    dim: int
    depth: int
    heads: int
    mlp_dim: int
    queries: int
    context_dim: int
    cross_every: int = 2
    activation: Activation = "gelu"
    norm_eps: float = 1e-12


class QFormerLayer(nn.Module):
    """Self-attention, perhaps a look at the picture, MLP; a norm after each sum."""

    def __init__(self, config: QFormerConfig, looks: bool):
        super().__init__()
        self.attn = Attention(AttentionConfig(dim=config.dim, heads=config.heads))
        self.norm_attn = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.look = Look(config) if looks else Blind()
        self.mlp = MLP(config.dim, config.mlp_dim, config.activation)
        self.norm_mlp = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(
        self, x: Float[Tensor, "images queries dim"], context: Float[Tensor, "images tokens context_dim"]
    ) -> Float[Tensor, "images queries dim"]:
        x = self.norm_attn(x + self.attn(x))
        x = self.look(x, context)
        return self.norm_mlp(x + self.mlp(x))


class Look(nn.Module):
    """The cross-attention step of a layer."""

    def __init__(self, config: QFormerConfig):
        super().__init__()
        self.attn = CrossAttention(AttentionConfig(dim=config.dim, heads=config.heads), config.context_dim)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.norm(x + self.attn(x, context))


class Blind(nn.Module):
    """Stands where a layer does not look at the picture."""

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x


class QFormer(nn.Module):
    """Image tokens to `queries` tokens."""

    def __init__(self, config: QFormerConfig):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.queries, config.dim) * 0.02)
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.layers = nn.ModuleList(QFormerLayer(config, i % config.cross_every == 0) for i in range(config.depth))

    def forward(self, context: Float[Tensor, "images tokens context_dim"]) -> Float[Tensor, "images queries dim"]:
        x = self.norm(self.queries.expand(len(context), -1, -1))
        for layer in self.layers:
            x = layer(x, context)
        return x
