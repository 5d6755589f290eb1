"""The smallest text tower that is of use: a bag of words that may learn to look around.

    ids (batch, tokens) -> embedding + positions -> depth x block -> mean over the valid tokens -> matrix

The blocks begin as nothing (their last matrices are zero), so the tower begins as a mean of word vectors, which is
quick to teach and hard to beat on names of things; the length of a vector is how much its word counts. Such a bag is
linear in its vectors, so the best one for given phrases is the solution of a least-squares problem (`fit_bag`), found
without a single gradient. Blocks can then learn what a bag cannot: that a hot dog is no dog. Static word vectors taught
by a sentence encoder: Tulkens and van Dongen 2024, model2vec. Not here: causal towers read at one token
(`text_tower.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
        for name, parameter in self.blocks.named_parameters():
            if ".attn.o." in name or ".mlp.down." in name:
                nn.init.zeros_(parameter)
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
        return self.head((self.tokens(x) * share[..., None]).sum(dim=1))


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], wanted: Float[Tensor, "rows columns"], scale: Float[Tensor, "rows 1"], turns: int
) -> Float[Tensor, "rows columns"]:
    """x with apply(x) = wanted, column by column, for a symmetric positive `apply` whose diagonal is 1 / scale."""
    x, residual = torch.zeros_like(wanted), wanted.clone()
    scaled = scale * residual
    direction, size = scaled.clone(), (residual * scaled).sum(dim=0)
    for _ in range(turns):
        moved = apply(direction)
        step = size / (direction * moved).sum(dim=0).clamp_min(1e-20)
        x += step * direction
        residual -= step * moved
        scaled = scale * residual
        before, size = size, (residual * scaled).sum(dim=0)
        direction = scaled + size / before.clamp_min(1e-20) * direction
    return x


@torch.no_grad()
def fit_bag(
    model: WordTower,
    texts: Sequence[Sequence[int]],
    places: Float[Tensor, "texts out"],
    shrink: float = 0.02,
    turns: int = 40,
) -> float:
    """Set embedding and head so that the mean over the words of each text lies nearest to its place.

        min over E, b:  sum_t || mean of E[w] over the words w of t  +  b  -  place_t ||^2  +  shrink || E ||^2

    Solved by conjugate gradients, in the `dim` directions in which the places vary most. Returns the mean cosine.
    """
    middle = places.mean(dim=0)
    basis = torch.linalg.svd(places[torch.randperm(len(places))[:8192]] - middle, full_matrices=False).Vh
    basis = basis[: model.config.dim]  # (dim, out)
    wanted = (places - middle) @ basis.T
    words = torch.tensor([word for text in texts for word in text])
    lengths = torch.tensor([len(text) for text in texts])
    first, rows = lengths.cumsum(0) - lengths, torch.arange(len(texts)).repeat_interleave(lengths)
    share = 1 / lengths[rows, None]  # of a word in its text

    def means(vectors: Tensor) -> Tensor:
        return F.embedding_bag(words, vectors, first, mode="mean")

    def back(texts_told: Tensor) -> Tensor:
        """The transpose of `means`."""
        return texts_told.new_zeros(model.config.vocab_size, len(basis)).index_add_(0, words, texts_told[rows] * share)

    diagonal = torch.zeros(model.config.vocab_size, 1).index_add_(0, words, share.square()) + shrink
    found = conjugate_gradients(lambda x: back(means(x)) + shrink * x, back(wanted), 1 / diagonal, turns)
    model.embedding.weight.zero_()
    model.embedding.weight[:, : len(basis)] = found
    model.positions.zero_()
    model.head.weight.zero_()
    model.head.weight[:, : len(basis)] = basis.T
    model.head.bias.copy_(middle)
    return float(F.cosine_similarity(means(found) @ basis + middle, places, dim=1).mean())
