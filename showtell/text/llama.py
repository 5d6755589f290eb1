"""Llama 1, 2, 3 and those that share its shape: SmolLM2, Vicuna, TinyLlama (Touvron et al. 2023; Allal et al. 2025).

This is the plain case of `Decoder`: RMSNorm, rotary grouped-query attention without biases, SwiGLU. Within the family
only sizes, the base and the scaling of the rotary frequencies, and the tying of the output projection differ:

    SmolLM2-135M   30 layers, dim  576,  9 heads on 3 of keys, vocabulary 49,152, base 100,000, tied
    Llama-2-7B     32 layers, dim 4096, 32 heads,              vocabulary 32,000, base  10,000
    Llama-3.2-1B   16 layers, dim 2048, 32 heads on 8 of keys, vocabulary 128,256, base 500,000, "llama3" scaling, tied
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
from showtell.text.hf_decoder import BACKBONE, common_fields, open_decoder, read_fields, with_head

KEYS = with_head(BACKBONE)
SMOLLM2_135M = DecoderConfig(
    vocab_size=49_152, dim=576, depth=30, heads=9, kv_heads=3, mlp_dim=1536, rope_base=100_000.0, norm_eps=1e-5
)


def config_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """The configuration that a Llama `config.json` describes."""
    fields = Fields(data)
    return DecoderConfig(
        **common_fields(fields),
        activation=fields.choice("hidden_act", ACTIVATIONS, "silu"),
        tied=fields.flag("tie_word_embeddings", False),
        attention_bias=fields.flag("attention_bias", False),
        mlp_bias=fields.flag("mlp_bias", False),
    )


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """A folder in Hugging Face layout."""
    return open_decoder(folder, config_from_hf(read_fields(folder).data), KEYS, dtype)


def to_hf(model: Decoder) -> dict[str, Tensor]:
    """The weights under their published names."""
    return unmap_keys(model.state_dict(), KEYS)
