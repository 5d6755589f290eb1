"""The causal language model: a stack of blocks over embeddings, Llama-shaped (Touvron et al. 2023).

    ids -> embed -> depth x [RMSNorm, rotary grouped-query attention; RMSNorm, SwiGLU] -> RMSNorm -> logits

`forward` takes *embeddings*, not ids, because half of a vision-language model's sequence never was a word. Which
position a token has and whom it may see are arguments too: packing, image prefixes and caches differ in nothing else.

The published families differ in the switches of `DecoderConfig` only; `llama.py`, `qwen.py` and `gemma.py` say which.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.attention import AttentionConfig, soft_cap
from showtell.core.block import Block, BlockConfig
from showtell.core.errors import ConfigError
from showtell.core.masks import window_mask
from showtell.core.mlp import Activation
from showtell.core.norms import NormKind, make_norm
from showtell.core.rope import RopeScaling, Rotation, rope, rope_by_axes
from showtell.core.trace import Tap
from showtell.text.kv_cache import KVCache


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Shape of a Llama-type decoder.

    vocab_size, dim, depth, heads, mlp_dim: the usual.
    kv_heads: key/value heads shared by the query heads; None = one each.
    head_dim: None = dim / heads.
    activation, gated: of the MLP; see `BlockConfig`.
    rope_base: base of the rotary frequencies.
    rope_scaling: how those were stretched for longer contexts; None = not at all.
    rope_sections: how many pairs of a head turn by time, row and column, round and round (`rope_by_axes`); None = a
        token has one position.
    norm: "rms", or "offset_rms" whose gain is 1 + weight.
    norm_eps: of the norms.
    post_norm: each half of a block is normalised once more before it is added.
    tied: the output projection is the embedding matrix.
    attention_bias: biases in q, k, v and, unless `attention_out_bias` says otherwise, o.
    attention_out_bias: bias in o; None = as `attention_bias`.
    mlp_bias: biases in the MLP.
    qk_norm: an RMSNorm over each query and key head.
    attention_scale: factor of the scores; None = 1 / sqrt(head_dim).
    attention_softcap, logit_softcap: bounds that the scores and the logits approach through tanh; None = unbounded.
    embedding_scale: factor of the token embeddings on their way in.
    window: how many tokens, itself included, a token sees in the layers listed in `windowed`; None = all before it.
    windowed: numbers of the layers that see through the window.
    """

    vocab_size: int
    dim: int
    depth: int
    heads: int
    mlp_dim: int
    kv_heads: int | None = None
    head_dim: int | None = None
    activation: Activation = "silu"
    gated: bool = True
    rope_base: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_sections: tuple[int, ...] | None = None
    norm: NormKind = "rms"
    norm_eps: float = 1e-5
    post_norm: bool = False
    tied: bool = True
    attention_bias: bool = False
    attention_out_bias: bool | None = None
    mlp_bias: bool = False
    qk_norm: bool = False
    attention_scale: float | None = None
    attention_softcap: float | None = None
    logit_softcap: float | None = None
    embedding_scale: float = 1.0
    window: int | None = None
    windowed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.heads % (self.kv_heads or self.heads):
            raise ConfigError(f"{self.heads} query heads cannot share {self.kv_heads} key/value heads evenly")
        if (self.head_dim or self.dim // self.heads) % 2:
            raise ConfigError(f"head_dim: rotary positions need an even width, got {self.head_dim}")

    def block(self) -> BlockConfig:
        """One of the `depth` blocks."""
        attention = AttentionConfig(
            dim=self.dim,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_dim=self.head_dim,
            bias=self.attention_bias,
            out_bias=self.attention_out_bias,
            qk_norm_eps=self.norm_eps if self.qk_norm else None,
            scale=self.attention_scale,
            softcap=self.attention_softcap,
        )
        return BlockConfig(
            attention=attention,
            mlp_dim=self.mlp_dim,
            activation=self.activation,
            gated=self.gated,
            mlp_bias=self.mlp_bias,
            norm=self.norm,
            norm_eps=self.norm_eps,
            post_norm=self.post_norm,
        )


class Scale(nn.Module):
    """x * factor, the factor rounded to the dtype of x as the published models round it."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tensor(self.factor, dtype=x.dtype, device=x.device)


class SoftCap(nn.Module):
    """Bend x smoothly into (-cap, cap)."""

    def __init__(self, cap: float):
        super().__init__()
        self.cap = cap

    def forward(self, x: Tensor) -> Tensor:
        return soft_cap(x, self.cap)


class Decoder(nn.Module):
    """Embeddings in, hidden states out; `logits` turns hidden states into scores over the vocabulary."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.head_dim or config.dim // config.heads
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        block = config.block()
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.embedding_scale = nn.Identity() if config.embedding_scale == 1.0 else Scale(config.embedding_scale)
        self.logit_cap = nn.Identity() if config.logit_softcap is None else SoftCap(config.logit_softcap)
        self.hidden = Tap()

    def embed(self, ids: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens dim"]:
        return self.embedding_scale(self.embedding(ids))

    def forward(
        self,
        embeddings: Float[Tensor, "batch tokens dim"],
        positions: Int[Tensor, "*axes #batch tokens"],
        mask: Tensor | None,
        cache: KVCache | None = None,
        unwindowed: Tensor | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Hidden states after the last norm.

        Args:
            positions: of the given tokens only (not of what the cache already holds); three rows of them, (3, batch,
                tokens), where the decoder has `rope_sections`.
            mask: True = may look, broadcast to (batch, heads, tokens, keys) with the cached keys first.
            unwindowed: of the same shape, True where a window does not count (a prefix that sees itself whole).
        """
        rotation = self.rotation(positions)
        masks = self.layer_masks(mask, embeddings.shape[1], cache.length if cache else 0, unwindowed)
        x = embeddings
        for i, block in enumerate(self.blocks):
            x = block(x, masks[i], rotation, cache.layers[i] if cache else None)
        return self.hidden(self.norm(x))

    def rotation(self, positions: Int[Tensor, "*axes #batch tokens"]) -> Rotation | None:
        """How queries and keys at these positions are turned; None = not at all."""
        config = self.config
        if config.rope_sections is not None and positions.dim() == 3:
            return rope_by_axes(positions, self.head_dim, config.rope_base, config.rope_sections)
        return rope(positions, self.head_dim, config.rope_base, config.rope_scaling)

    def layer_masks(
        self, mask: Tensor | None, queries: int, past: int, unwindowed: Tensor | None = None
    ) -> list[Tensor | None]:
        """`mask` for every layer, narrowed in those that see through a window."""
        masks = [mask] * self.config.depth
        if self.config.window is not None:
            near = window_mask(queries, past + queries, self.config.window, self.embedding.weight.device)
            near = near if unwindowed is None else near | unwindowed
            for layer in self.config.windowed:
                masks[layer] = near if mask is None else mask & near
        return masks

    def logits(self, hidden: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch vocab"]:
        scores = F.linear(hidden, self.embedding.weight) if self.head is None else self.head(hidden)
        return self.logit_cap(scores)

    def new_cache(self) -> KVCache:
        return KVCache(self.config.depth)
