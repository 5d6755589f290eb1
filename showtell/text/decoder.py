"""The causal language model: a stack of blocks over embeddings, Llama-shaped (Touvron et al. 2023).

    ids -> embed -> depth x [RMSNorm, rotary grouped-query attention; RMSNorm, SwiGLU] -> RMSNorm -> logits

`forward` takes *embeddings*, not ids, because half of a vision-language model's sequence never was a word. Which
position a token has and whom it may see are arguments too: packing, image prefixes and caches differ in nothing else.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig
from showtell.core.block import Block, BlockConfig
from showtell.core.mlp import Activation
from showtell.core.norms import make_norm
from showtell.core.rope import rope
from showtell.core.trace import Tap
from showtell.text.kv_cache import KVCache


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Shape of a Llama-type decoder.

    vocab_size, dim, depth, heads, mlp_dim: the usual.
    kv_heads: key/value heads shared by the query heads; None = one each.
    head_dim: None = dim / heads.
    activation: of the gated MLP.
    rope_base: base of the rotary frequencies.
    norm_eps: of the RMS norms.
    tied: the output projection is the embedding matrix.
    attention_bias: biases in q, k, v, o.
    """

    vocab_size: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    kv_heads: int | None = None
    head_dim: int | None = None
    activation: Activation = "silu"
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = True
    attention_bias: bool = False


class Decoder(nn.Module):
    """Embeddings in, hidden states out; `logits` turns hidden states into scores over the vocabulary."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.head_dim or config.dim // config.heads
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        block = BlockConfig(
            attention=AttentionConfig(
                dim=config.dim,
                heads=config.heads,
                kv_heads=config.kv_heads,
                head_dim=config.head_dim,
                bias=config.attention_bias,
            ),
            mlp_dim=config.mlp_dim,
            activation=config.activation,
            gated=True,
            mlp_bias=False,
            norm="rms",
            norm_eps=config.norm_eps,
        )
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.norm = make_norm("rms", config.dim, config.norm_eps)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.hidden = Tap()

    def embed(self, ids: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens dim"]:
        return self.embedding(ids)

    def forward(
        self,
        embeddings: Float[Tensor, "batch tokens dim"],
        positions: Int[Tensor, "#batch tokens"],
        mask: Tensor | None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Hidden states after the last norm.

        Args:
            positions: of the given tokens only (not of what the cache already holds).
            mask: True = may look, broadcast to (batch, heads, tokens, keys) with the cached keys first.
        """
        rotation = rope(positions, self.head_dim, self.config.rope_base)
        x = embeddings
        for i, block in enumerate(self.blocks):
            x = block(x, mask, rotation, cache.layers[i] if cache else None)
        return self.hidden(self.norm(x))

    def logits(self, hidden: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch vocab"]:
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight)

    def new_cache(self) -> KVCache:
        return KVCache(self.config.depth)
