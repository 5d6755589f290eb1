"""OPT (Zhang et al. 2022), the language half of BLIP-2: a decoder of the GPT-3 generation.

It differs from Llama in five things: LayerNorm instead of RMSNorm, a plain ReLU MLP, biases everywhere, and learned
positions that are added to the words instead of rotations. The table of positions has two rows more than there are
positions; the first position is row 2.

    opt-2.7b    32 layers, dim 2560, 32 heads, MLP 10,240, vocabulary 50,272, 2,048 positions, tied
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf, open_module, read_json, read_tensors
from showtell.core.keymap import KeyTable
from showtell.core.rope import Rotation
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.kv_cache import KVCache

FIRST_ROW = 2
KEYS: KeyTable = {
    "model.decoder.embed_tokens": "embedding",
    "model.decoder.embed_positions": "positions",
    "model.decoder.layers.{}.self_attn.q_proj": "blocks.{}.attn.q",
    "model.decoder.layers.{}.self_attn.k_proj": "blocks.{}.attn.k",
    "model.decoder.layers.{}.self_attn.v_proj": "blocks.{}.attn.v",
    "model.decoder.layers.{}.self_attn.out_proj": "blocks.{}.attn.o",
    "model.decoder.layers.{}.self_attn_layer_norm": "blocks.{}.norm1",
    "model.decoder.layers.{}.final_layer_norm": "blocks.{}.norm2",
    "model.decoder.layers.{}.fc1": "blocks.{}.mlp.up",
    "model.decoder.layers.{}.fc2": "blocks.{}.mlp.down",
    "model.decoder.final_layer_norm": "norm",
    "lm_head": "head",
}


@dataclass(frozen=True, kw_only=True)
class OPTConfig(DecoderConfig):
    """`DecoderConfig` with a table of positions.

    length: how many positions there are.
    """

    length: int


class OPT(Decoder):
    """`Decoder` whose positions are learned and added."""

    def __init__(self, config: OPTConfig):
        super().__init__(config)
        self.positions = nn.Embedding(config.length + FIRST_ROW, config.dim)

    def forward(
        self,
        embeddings: Float[Tensor, "batch tokens dim"],
        positions: Int[Tensor, "*axes #batch tokens"],
        mask: Tensor | None,
        cache: KVCache | None = None,
        unwindowed: Tensor | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """See `Decoder.forward`."""
        return super().forward(embeddings + self.positions(positions + FIRST_ROW), positions, mask, cache, unwindowed)

    def rotation(self, positions: Int[Tensor, "*axes #batch tokens"]) -> Rotation | None:
        return None


def config_from_hf(data: Mapping[str, Any]) -> OPTConfig:
    """The configuration that an OPT `config.json` describes."""
    fields = Fields(data)
    dim = fields.size("hidden_size", 768)
    for name in ("do_layer_norm_before", "enable_bias", "layer_norm_elementwise_affine"):
        fields.only(name, True)
    fields.only("_remove_final_layer_norm", False)
    fields.only("word_embed_proj_dim", dim)
    return OPTConfig(
        vocab_size=fields.size("vocab_size", 50_272),
        dim=dim,
        depth=fields.size("num_hidden_layers", 12),
        heads=fields.size("num_attention_heads", 12),
        mlp_dim=fields.size("ffn_dim", 3072),
        activation=fields.choice("activation_function", ACTIVATIONS, "relu"),
        gated=False,
        norm="layer",
        norm_eps=1e-5,
        tied=fields.flag("tie_word_embeddings", True),
        attention_bias=True,
        mlp_bias=True,
        length=fields.size("max_position_embeddings", 2048),
    )


def load(folder: Path) -> OPT:
    """A folder in Hugging Face layout."""
    config = config_from_hf(read_json(folder / "config.json"))
    tensors = read_tensors(folder)
    head, words = tensors.get("lm_head.weight"), tensors.get("model.decoder.embed_tokens.weight")
    if config.tied and head is not None and words is not None and torch.equal(head, words):
        del tensors["lm_head.weight"]
    return open_module(lambda: OPT(config), tensors, KEYS, str(folder))


def to_hf(model: OPT) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, KEYS)
