"""Janus and Janus-Pro (Wu et al. 2024; Chen et al. 2025), the half that understands pictures.

Janus reads pictures with one tower and draws them with another code book, because what describes a picture and what
reproduces it are different things. Reading is LLaVA's: SigLIP-L/16 384, all 576 tokens after the last norm, a 2-layer
MLP of the decoder's width, a Llama. The names differ, the activation of tower and bridge is the exact GELU, and the
tower's MLP is given as a ratio. What draws (`vqmodel`, `generation_*`) is declared and not read.

    Janus-Pro-1B    DeepSeek 1.5B (24 layers, dim 2048)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf
from showtell.core.keymap import KeyTable, Target, prefixed
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.hf_parts import decoder_from_hf, decoder_keys, image_token, moved, open_vlm, read_model
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.vision import siglip

# What `vision_config` means where it is silent.
TOWER: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 384,
    "hidden_act": "gelu",
}
DRAWING: dict[str, Target] = {
    "model.vqmodel": None,
    "model.generation_embeddings": None,
    "model.generation_aligner": None,
    "model.generation_head": None,
}


def config_from_hf(data: Mapping[str, Any]) -> PrefixVLMConfig:
    """The reading half of the model that a Janus `config.json` describes."""
    inner = {**TOWER, **Fields(data).inner("vision_config").data}
    fields = Fields(inner, "vision_config.")
    fields.only("attention_bias", True)
    fields.only("use_qk_norm", False)
    width = int(fields.size("hidden_size") * fields.number("mlp_ratio", 4.0))
    if width < 1:
        raise ConfigError(f"vision_config.mlp_ratio: {fields.data['mlp_ratio']!r} leaves the MLP no width")
    decoder = decoder_from_hf({"tie_word_embeddings": True, **data})
    fields.only("depth", 2)
    fields.only("projection_dim", decoder.dim)
    return PrefixVLMConfig(
        vision=siglip.config_from_hf({**inner, "intermediate_size": width, "vision_use_head": False}),
        connector=ConnectorConfig(kind="mlp", activation=fields.choice("hidden_act", ACTIVATIONS)),
        decoder=decoder,
        image_token_id=image_token(data, 100_581),
    )


def keys(config: PrefixVLMConfig) -> KeyTable:
    """The table of names for these parts."""
    tower = {name.replace("self_attn.out_proj", "self_attn.projection_layer"): t for name, t in siglip.KEYS.items()}
    return {
        **prefixed(tower, theirs="model.vision_model.", ours="vision."),
        "model.aligner.fc1": "connector.up",
        "model.aligner.hidden_layers.0": "connector.down",
        **prefixed(moved(decoder_keys(config.decoder), "model.", "model.language_model."), ours="decoder."),
        **DRAWING,
    }


def load(folder: str | Path) -> PrefixVLM:
    """The reading half of a folder in Hugging Face layout."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    return open_vlm(lambda: PrefixVLM(config), config.decoder, tensors, keys(config), str(folder))


def to_hf(model: PrefixVLM) -> dict[str, Tensor]:
    """The weights of the reading half under their published names."""
    return names_for_hf(model, keys(model.config))
