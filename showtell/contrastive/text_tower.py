"""The text half of a dual encoder: a caption becomes one vector.

    ids (batch, tokens) -> embedding + positions -> depth x block -> norm -> tokens (batch, tokens, dim)
                                                                          -> the token that speaks for all -> pooled

Which token speaks for all is what families differ in. A causal tower (CLIP) can only ask a token at the end, for no
earlier one has read the whole caption:

    eos       the first end-of-text token
    largest   the largest id: the end-of-text token of CLIP's own vocabulary, found the way CLIP's first files need it
    last      the last position, padding or not (SigLIP, which pads every caption to the same length and sees it all)

SigLIP puts a linear layer after it (`head_dim_out`); CLIP's projection belongs to the pair (`dual_encoder.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.errors import DataError
from showtell.core.masks import causal_mask
from showtell.core.mlp import Activation
from showtell.core.norms import make_norm
from showtell.core.trace import Tap


@dataclass(frozen=True, kw_only=True)
class TextTowerConfig:
    """Shape and switches of a text tower.

    vocab_size, max_tokens: ids and positions it knows.
    dim, depth, heads, mlp_dim, activation, norm_eps: as in `ViTConfig`.
    causal: whether a token sees earlier ones only.
    pooling: which token speaks for all.
    eos_id: the end-of-text token, for `pooling="eos"`.
    head_dim_out: width of a linear layer after pooling; None = no such layer.
    """

    vocab_size: int
    max_tokens: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    activation: Activation = "gelu"
    norm_eps: float = 1e-5
    causal: bool = True
    pooling: Literal["eos", "largest", "last"] = "eos"
    eos_id: int = 0
    head_dim_out: int | None = None


@dataclass(frozen=True)
class TextOutput:
    """tokens: (batch, tokens, dim), after the last norm.    pooled: (batch, dim or head_dim_out)."""

    tokens: Tensor
    pooled: Tensor


class TextTower(nn.Module):
    """Ids to one vector a caption."""

    def __init__(self, config: TextTowerConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.positions = nn.Parameter(torch.randn(config.max_tokens, config.dim) * 0.01)
        block = BlockConfig(
            attention=AttentionConfig(dim=config.dim, heads=config.heads),
            mlp_dim=config.mlp_dim,
            activation=config.activation,
            norm_eps=config.norm_eps,
        )
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.norm = make_norm("layer", config.dim, config.norm_eps)
        self.head = nn.Identity() if config.head_dim_out is None else nn.Linear(config.dim, config.head_dim_out)
        self.speaker = make_speaker(config)
        self.look = causal_and_valid if config.causal else only_valid
        self.tokens = Tap()

    def forward(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"] | None = None
    ) -> TextOutput:
        """`valid` is False at padding; None where padding is to be read like any token.

        Raises DataError for a caption longer than the tower's positions.
        """
        length = ids.shape[1]
        if length > self.config.max_tokens:
            raise DataError(f"a caption of {length} tokens is too long; this text tower reads {self.config.max_tokens}")
        x = self.embedding(ids) + self.positions[:length]
        mask = self.look(ids, valid)
        for block in self.blocks:
            x = block(x, mask)
        x = self.tokens(self.norm(x))
        speaking = x[torch.arange(len(ids), device=ids.device), self.speaker(ids)]  # (batch, dim)
        return TextOutput(x, self.head(speaking))


def causal_and_valid(ids: Tensor, valid: Tensor | None) -> Tensor:
    """Earlier tokens that are not padding; a token that has none (padding on the left) sees itself."""
    length = ids.shape[1]
    mask = causal_mask(length, length, ids.device)
    if valid is None:
        return mask
    itself = torch.eye(length, dtype=torch.bool, device=ids.device)
    seen = mask & valid[:, None, :]  # (batch, tokens, tokens)
    return (seen | itself & ~seen.any(dim=2, keepdim=True))[:, None]  # (batch, 1, tokens, tokens)


def only_valid(ids: Tensor, valid: Tensor | None) -> Tensor | None:
    """Every token that is not padding."""
    return None if valid is None else valid[:, None, None, :]


def at_first(ids: Int[Tensor, "batch tokens"], eos_id: int) -> Int[Tensor, "batch"]:
    """Position of the first end-of-text token (0 where there is none)."""
    return (ids == eos_id).int().argmax(dim=1)


def at_largest(ids: Int[Tensor, "batch tokens"]) -> Int[Tensor, "batch"]:
    return ids.argmax(dim=1)


def at_last(ids: Int[Tensor, "batch tokens"]) -> Int[Tensor, "batch"]:
    return torch.full((len(ids),), ids.shape[1] - 1, device=ids.device)


def make_speaker(config: TextTowerConfig) -> Callable[[Tensor], Tensor]:
    """ids -> position of the token that is pooled."""
    places: dict[str, Callable[[Tensor], Tensor]] = {
        "eos": partial(at_first, eos_id=config.eos_id),
        "largest": at_largest,
        "last": at_last,
    }
    return places[config.pooling]
