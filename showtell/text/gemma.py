"""Gemma 1 and 2 (Gemma Team 2024), the language half of PaliGemma.

Both differ from Llama in four things: the norms store their gain as 1 + weight, token embeddings are multiplied by
sqrt(dim) on their way in (not where they serve as the output projection, which is always tied), the MLP's gate is the
tanh-approximated GELU, and a head may be wider than dim / heads. Gemma 2 adds:

    x = x + norm(attn(norm(x)))                  a second norm after each half, its four norms named differently on disk
    scores = 50 tanh(q.k s / 50)                 with s = query_pre_attn_scalar^-1/2
    logits = 30 tanh(logits / 30)
    every other layer, the first included, sees the last 4,096 tokens only
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS
from showtell.core.keymap import KeyTable, unmap_keys
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.hf_decoder import (
    BACKBONE,
    common_fields,
    open_decoder,
    read_fields,
    windowed_layers,
    with_head,
)

BACKBONE_2 = {
    **BACKBONE,
    "layers.{}.post_attention_layernorm": "blocks.{}.scale1",
    "layers.{}.pre_feedforward_layernorm": "blocks.{}.norm2",
    "layers.{}.post_feedforward_layernorm": "blocks.{}.scale2",
}
KEYS = with_head(BACKBONE)
KEYS_2 = with_head(BACKBONE_2)
# Early files of Gemma 1 say "gelu" and mean its tanh approximation.
GATES = {**ACTIVATIONS, "gelu": "gelu_tanh"}
SECOND = {"gemma": False, "gemma2": True}


def config_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """The configuration that a Gemma or Gemma 2 `config.json` describes."""
    fields = Fields(data)
    second: bool = fields.choice("model_type", SECOND)
    common = common_fields(fields)
    gemma = DecoderConfig(
        **common | {"head_dim": common["head_dim"] or 256},
        activation=fields.choice("hidden_activation" if second else "hidden_act", GATES, "gelu_pytorch_tanh"),
        norm="offset_rms",
        embedding_scale=common["dim"] ** 0.5,
        tied=fields.flag("tie_word_embeddings", True),
        attention_bias=fields.flag("attention_bias", False),
    )
    return extended(gemma, fields) if second else gemma


def extended(gemma: DecoderConfig, fields: Fields) -> DecoderConfig:
    """What Gemma 2 adds."""
    return replace(
        gemma,
        post_norm=True,
        attention_scale=fields.number("query_pre_attn_scalar", 256.0) ** -0.5,
        attention_softcap=bound(fields, "attn_logit_softcapping", 50.0),
        logit_softcap=bound(fields, "final_logit_softcapping", 30.0),
        window=fields.integer("sliding_window", 4096),
        windowed=windowed_layers(fields, tuple(range(0, gemma.depth, 2))),
    )


def bound(fields: Fields, name: str, default: float) -> float | None:
    """A soft cap; an explicit null switches it off."""
    return None if name in fields.data and not fields.has(name) else fields.number(name, default)


def keys(config: DecoderConfig) -> KeyTable:
    """The table of names: Gemma 2 has other norms."""
    return KEYS_2 if config.post_norm else KEYS


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """A folder in Hugging Face layout."""
    config = config_from_hf(read_fields(folder).data)
    return open_decoder(folder, config, keys(config), dtype)


def to_hf(model: Decoder) -> dict[str, Tensor]:
    """The weights under their published names."""
    return unmap_keys(model.state_dict(), keys(model.config))
