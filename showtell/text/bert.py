"""BERT (Devlin et al. 2019), as sentence encoders use it: a text becomes one vector that stands for what it means.

    ids (batch, tokens) -> words + positions + type 0 -> norm -> depth x block -> tokens (batch, tokens, dim)
                                                                 mean over the valid tokens, / length -> sentence

Its block is the oldest one, "post-norm": the residual stream itself is normalised after each half,

    x = norm1(x + attn(x))        x = norm2(x + mlp(x))

Averaging tokens is what MiniLM and its kin were trained with (Reimers and Gurevych 2019, Sentence-BERT). Text tower to
lock in a dual encoder, teacher of a smaller one, and a judge of near-duplicate captions. Not here: pairs of sentences
(token type 1), the pooler and the masked-word head, which checkpoints may carry and nothing here reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from showtell.core.attention import Attention, AttentionConfig
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf, open_module, read_json, read_tensors
from showtell.core.keymap import Target, without_prefix
from showtell.core.mlp import MLP, Activation
from showtell.core.trace import Tap
from showtell.text.tokenizer import Tokenizer

KEYS: dict[str, Target] = {
    "embeddings.word_embeddings": "embedding",
    "embeddings.position_embeddings.weight": "positions",
    "embeddings.token_type_embeddings.weight": "types",
    "embeddings.LayerNorm": "norm",
    "encoder.layer.{}.attention.self.query": "blocks.{}.attn.q",
    "encoder.layer.{}.attention.self.key": "blocks.{}.attn.k",
    "encoder.layer.{}.attention.self.value": "blocks.{}.attn.v",
    "encoder.layer.{}.attention.output.dense": "blocks.{}.attn.o",
    "encoder.layer.{}.attention.output.LayerNorm": "blocks.{}.norm1",
    "encoder.layer.{}.intermediate.dense": "blocks.{}.mlp.up",
    "encoder.layer.{}.output.dense": "blocks.{}.mlp.down",
    "encoder.layer.{}.output.LayerNorm": "blocks.{}.norm2",
    "embeddings.position_ids": None,  # 0, 1, 2, ... in older files
    "pooler.dense": None,
}


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Shape of the encoder.

    vocab_size, max_tokens, types: ids, positions and token types it knows.
    dim, depth, heads, mlp_dim, activation, norm_eps: as in `ViTConfig`.
    """

    vocab_size: int = 30522
    max_tokens: int = 512
    types: int = 2
    dim: int = 384
    depth: int = 6
    heads: int = 12
    mlp_dim: int = 1536
    activation: Activation = "gelu"
    norm_eps: float = 1e-12


class PostNormBlock(nn.Module):
    """Attention, then MLP; each sum is normalised."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.attn = Attention(AttentionConfig(dim=config.dim, heads=config.heads))
        self.norm1 = nn.LayerNorm(config.dim, config.norm_eps)
        self.mlp = MLP(config.dim, config.mlp_dim, config.activation)
        self.norm2 = nn.LayerNorm(config.dim, config.norm_eps)
        self.residual = Tap()

    def forward(self, x: Float[Tensor, "batch tokens dim"], mask: Tensor) -> Float[Tensor, "batch tokens dim"]:
        x = self.norm1(x + self.attn(x, mask))
        return self.residual(self.norm2(x + self.mlp(x)))


class Bert(nn.Module):
    """The encoder."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.positions = nn.Parameter(torch.zeros(config.max_tokens, config.dim))
        self.types = nn.Parameter(torch.zeros(config.types, config.dim))
        self.norm = nn.LayerNorm(config.dim, config.norm_eps)
        self.blocks = nn.ModuleList(PostNormBlock(config) for _ in range(config.depth))
        self.tokens = Tap()

    def forward(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        x = self.norm(self.embedding(ids) + self.positions[: ids.shape[1]] + self.types[0])
        for block in self.blocks:
            x = block(x, valid[:, None, None, :])
        return self.tokens(x)

    def sentences(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch dim"]:
        """Unit vectors: the mean of the tokens that are not padding."""
        share = valid.float() / valid.sum(dim=1, keepdim=True)
        return F.normalize((self(ids, valid) * share[..., None]).sum(dim=1), dim=-1)


@dataclass(frozen=True)
class SentenceEncoder:
    """`Bert` and its tokenizer: texts to unit vectors."""

    model: Bert
    tokenizer: Tokenizer
    longest: int = 128

    @classmethod
    def load(cls, folder: str | Path) -> "SentenceEncoder":
        """From a folder with config.json, model.safetensors and tokenizer.json."""
        folder = Path(folder)
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        tokenizer.rust.no_padding()
        tokenizer.rust.no_truncation()
        return cls(load(folder), tokenizer)

    @torch.inference_mode()
    def __call__(
        self, texts: Sequence[str], batch: int = 64, on_texts: Callable[[int, int], None] = lambda done, total: None
    ) -> Float[Tensor, "texts dim"]:
        """Unit vectors, in the order of `texts`; those of like length are encoded together."""
        rows = [self.tokenizer.rust.encode(text).ids for text in texts]
        rows = [row if len(row) <= self.longest else [*row[: self.longest - 1], row[-1]] for row in rows]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = torch.empty(len(rows), self.model.config.dim)
        for first in range(0, len(rows), batch):
            these = order[first : first + batch]
            width = max(len(rows[i]) for i in these)
            ids = torch.tensor([rows[i] + [0] * (width - len(rows[i])) for i in these])
            lengths = torch.tensor([len(rows[i]) for i in these])
            valid = torch.arange(width) < lengths[:, None]
            found[these] = self.model.sentences(ids, valid).float()
            on_texts(first + len(these), len(rows))
        return found


def config_from_hf(data: Mapping[str, Any]) -> BertConfig:
    """Of a `BertConfig` of Hugging Face; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("position_embedding_type", "absolute", None)
    return BertConfig(
        vocab_size=fields.size("vocab_size", 30522),
        max_tokens=fields.size("max_position_embeddings", 512),
        types=fields.size("type_vocab_size", 2),
        dim=fields.size("hidden_size", 768),
        depth=fields.size("num_hidden_layers", 12),
        heads=fields.size("num_attention_heads", 12),
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-12),
    )


def load(folder: str | Path) -> Bert:
    """The encoder in a folder, bare or inside a larger model."""
    folder = Path(folder)
    config = config_from_hf(read_json(folder / "config.json"))
    return open_module(lambda: Bert(config), without_prefix(read_tensors(folder), "bert."), KEYS, str(folder))


def to_hf(model: Bert) -> dict[str, Tensor]:
    """Its tensors under the published names."""
    return names_for_hf(model, KEYS)
