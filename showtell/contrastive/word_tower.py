"""The smallest text tower that is of use: a bag of words that may learn to look around.

    ids (batch, tokens) -> embedding + positions -> depth x block -> mean over the valid tokens -> norm -> matrix

The blocks begin as nothing (their last matrices are zero), so the tower begins as a mean of word vectors, which is
quick to teach and hard to beat on names of things; the length of a vector is how much its word counts. Then the blocks
learn what a bag cannot: that a hot dog is no dog. Static word vectors taught by a sentence encoder: Tulkens and van
Dongen 2024, model2vec. Not here: causal towers that are read at one token (`text_tower.py`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.trace import Tap


@dataclass(frozen=True, kw_only=True)
class WordTowerConfig:
    """Shape of the tower.

    vocab_size, max_tokens: ids and positions it knows.
    dim, depth, heads, mlp_dim: as in `ViTConfig`; depth 0 stays a bag of words.
    out: width of its result.
    """

    vocab_size: int
    max_tokens: int = 48
    dim: int = 192
    depth: int = 1
    heads: int = 3
    mlp_dim: int = 768
    out: int = 384


class WordTower(nn.Module):
    """Ids to one vector, not of length one."""

    def __init__(self, config: WordTowerConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.positions = nn.Parameter(torch.zeros(config.max_tokens, config.dim))
        block = BlockConfig(attention=AttentionConfig(dim=config.dim, heads=config.heads), mlp_dim=config.mlp_dim)
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        for made in self.blocks:
            for last in (made.attn.o, made.mlp.down):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.out)
        self.tokens = Tap()

    def forward(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch out"]:
        x = self.embedding(ids) + self.positions[: ids.shape[1]]
        mask = valid[:, None, None, :]
        for block in self.blocks:
            x = block(x, mask)
        share = valid / valid.sum(dim=1, keepdim=True)
        return self.head(self.norm((self.tokens(x) * share[..., None]).sum(dim=1)))
