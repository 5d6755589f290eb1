"""One vector a picture: what families make of the tokens at the end.

    class        the class token as it leaves the last norm                          ViT, DINOv2, DINOv3
    class_norm   norm(class token); the patch tokens leave the tower unnormalised    CLIP
    class_tanh   tanh(linear(class token))                                           BERT's habit, in Hugging Face's ViT
    mean         mean of the patch tokens
    attention    a learned query reads all patch tokens, then an MLP                 SigLIP ("MAP head")

        y = attention(probe, tokens),   pooled = y + mlp(norm(y))

Tokens arrive with the prefix (class token, registers) first; `valid` is False where a token is padding.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.mlp import MLP, Activation
from showtell.core.norms import make_norm

Pooling = Literal["class", "class_norm", "class_tanh", "mean", "attention"]


class ClassPool(nn.Module):
    """The first token."""

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        return x[:, 0]


class ClassNormPool(nn.Module):
    """The first token, normalised."""

    def __init__(self, dim: int, norm_eps: float):
        super().__init__()
        self.norm = make_norm("layer", dim, norm_eps)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        return self.norm(x[:, 0])


class ClassTanhPool(nn.Module):
    """The first token through a linear layer and a tanh."""

    def __init__(self, dim: int):
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        return self.dense(x[:, 0]).tanh()


class MeanPool(nn.Module):
    """The mean of the patch tokens that are not padding."""

    def __init__(self, prefix: int):
        super().__init__()
        self.prefix = prefix

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        if valid is None:
            return x[:, self.prefix :].mean(dim=1)
        share = valid[:, self.prefix :, None].to(x.dtype)  # (batch, tokens, 1)
        return (x[:, self.prefix :] * share).sum(dim=1) / share.sum(dim=1)


class AttentionPool(nn.Module):
    """A learned query attends to the patch tokens; an MLP with a residual follows."""

    def __init__(self, dim: int, heads: int, mlp_dim: int, activation: Activation, norm_eps: float, prefix: int):
        super().__init__()
        self.prefix = prefix
        self.probe = nn.Parameter(torch.zeros(1, dim))
        self.attn = CrossAttention(AttentionConfig(dim=dim, heads=heads))
        self.norm = make_norm("layer", dim, norm_eps)
        self.mlp = MLP(dim, mlp_dim, activation)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        mask = None if valid is None else valid[:, None, None, self.prefix :]  # (batch, 1, 1, tokens)
        y = self.attn(self.probe.expand(len(x), -1, -1), x[:, self.prefix :], mask)  # (batch, 1, dim)
        return (y + self.mlp(self.norm(y)))[:, 0]


def make_pooling(
    kind: Pooling, dim: int, heads: int, mlp_dim: int, activation: Activation, norm_eps: float, prefix: int
) -> nn.Module:
    """The pooling module of a tower with `prefix` tokens before its patches."""
    match kind:
        case "class":
            return ClassPool()
        case "class_norm":
            return ClassNormPool(dim, norm_eps)
        case "class_tanh":
            return ClassTanhPool(dim)
        case "mean":
            return MeanPool(prefix)
        case "attention":
            return AttentionPool(dim, heads, mlp_dim, activation, norm_eps, prefix)
