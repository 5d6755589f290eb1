"""Qwen2, Qwen2.5 and Qwen3 (Yang et al. 2024, 2025): Llama's shape with two small differences.

    Qwen2, Qwen2.5   q, k and v have biases, o has none
    Qwen3            no biases; instead an RMSNorm over each query and key head, before they are rotated

A tensor tells the two apart (`self_attn.q_norm`), and so does `model_type`. Late layers may see through a sliding
window (`use_sliding_window`, never set in the published chat models).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS
from showtell.core.keymap import unmap_keys
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.text.hf_decoder import (
    BACKBONE,
    common_fields,
    open_decoder,
    read_fields,
    windowed_layers,
    with_head,
)

KEYS = with_head(
    {
        **BACKBONE,
        "layers.{}.self_attn.q_norm": "blocks.{}.attn.q_norm",
        "layers.{}.self_attn.k_norm": "blocks.{}.attn.k_norm",
    }
)
NORMALISED = {"qwen2": False, "qwen2_vl_text": False, "qwen2_5_vl_text": False, "qwen3": True}


def config_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """The configuration that a Qwen2 or Qwen3 `config.json` describes."""
    fields = Fields(data)
    qk_norm: bool = fields.choice("model_type", NORMALISED)
    common = common_fields(fields)
    window = fields.integer("sliding_window", 4096) if fields.flag("use_sliding_window", False) else None
    late = tuple(range(fields.integer("max_window_layers", 28), common["depth"]))
    return DecoderConfig(
        **common | {"head_dim": common["head_dim"] or (128 if qk_norm else None)},
        activation=fields.choice("hidden_act", ACTIVATIONS, "silu"),
        tied=fields.flag("tie_word_embeddings", False),
        attention_bias=fields.flag("attention_bias", False) if qk_norm else True,
        attention_out_bias=None if qk_norm else False,
        qk_norm=qk_norm,
        window=window,
        windowed=windowed_layers(fields, late) if window else (),
    )


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """A folder in Hugging Face layout."""
    return open_decoder(folder, config_from_hf(read_fields(folder).data), KEYS, dtype)


def to_hf(model: Decoder) -> dict[str, Tensor]:
    """The weights under their published names."""
    return unmap_keys(model.state_dict(), KEYS)
