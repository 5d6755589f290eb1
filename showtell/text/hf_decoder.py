"""What the published decoders have in common: the names of their tensors, their rotary fields, and how they are opened.

    folder -> config.json -> config_from_hf -> DecoderConfig -> Decoder without memory
           -> *.safetensors -> table of names -> its parameters

A family (`llama.py`, `qwen.py`, `gemma.py`) adds its own names and reads its own switches. `BACKBONE` holds the names
below `model.`; a vision-language model puts another prefix before the same ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.checkpoint import adopt_tensors, without_memory
from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import read_json, read_tensors
from showtell.core.keymap import KeyTable, Target, map_keys, prefixed
from showtell.core.rope import RopeScaling
from showtell.text.decoder import Decoder, DecoderConfig

BACKBONE: dict[str, Target] = {
    "embed_tokens": "embedding",
    "layers.{}.self_attn.q_proj": "blocks.{}.attn.q",
    "layers.{}.self_attn.k_proj": "blocks.{}.attn.k",
    "layers.{}.self_attn.v_proj": "blocks.{}.attn.v",
    "layers.{}.self_attn.o_proj": "blocks.{}.attn.o",
    "layers.{}.input_layernorm": "blocks.{}.norm1",
    "layers.{}.post_attention_layernorm": "blocks.{}.norm2",
    "layers.{}.mlp.gate_proj": "blocks.{}.mlp.gate",
    "layers.{}.mlp.up_proj": "blocks.{}.mlp.up",
    "layers.{}.mlp.down_proj": "blocks.{}.mlp.down",
    "norm": "norm",
    "layers.{}.self_attn.rotary_emb.inv_freq": None,  # older files repeat what rope_theta says
}


def with_head(backbone: KeyTable) -> KeyTable:
    """The table of a causal language model: the backbone under `model.`, the output projection beside it."""
    return {**prefixed(backbone, theirs="model."), "lm_head": "head"}


def common_fields(fields: Fields) -> dict[str, Any]:
    """The fields of `DecoderConfig` that every family reads alike.

    Raises ConfigError for settings that would change the numbers and are not implemented.
    """
    for name in ("quantization_config", "use_bidirectional_attention", "rope_interleaved"):
        fields.only(name, False)
    fields.only("partial_rotary_factor", 1.0)
    base, scaling = rotary(fields)
    return {
        "vocab_size": fields.size("vocab_size"),
        "dim": fields.size("hidden_size"),
        "depth": fields.size("num_hidden_layers"),
        "heads": fields.size("num_attention_heads"),
        "kv_heads": fields.size("num_key_value_heads") if fields.has("num_key_value_heads") else None,
        "head_dim": fields.size("head_dim") if fields.has("head_dim") else None,
        "mlp_dim": fields.size("intermediate_size"),
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "rope_base": base,
        "rope_scaling": scaling,
    }


def rotary(fields: Fields) -> tuple[float, RopeScaling | None]:
    """Base and scaling, from `rope_parameters` (new files) or `rope_theta` and `rope_scaling` (old ones)."""
    inner = fields.inner("rope_parameters" if fields.has("rope_parameters") else "rope_scaling")
    base = (inner if inner.has("rope_theta") else fields).number("rope_theta", 10_000.0)
    inner.only("partial_rotary_factor", 1.0)
    inner.only("mrope_section")
    kind = inner.data.get("rope_type", inner.data.get("type", "default"))
    if kind == "default":
        return base, None
    if kind == "linear":
        return base, RopeScaling(kind="linear", factor=inner.number("factor"))
    if kind == "llama3":
        trained = fields.integer("max_position_embeddings") if fields.has("max_position_embeddings") else 8192
        return base, RopeScaling(
            kind="llama3",
            factor=inner.number("factor"),
            slow_turns=inner.number("low_freq_factor"),
            fast_turns=inner.number("high_freq_factor"),
            original_length=inner.integer("original_max_position_embeddings", trained),
        )
    raise ConfigError(f"{inner.where}rope_type: {kind!r} is not supported; known here: default, linear, llama3")


def windowed_layers(fields: Fields, default: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of the layers with a sliding window: `layer_types` where the file has it."""
    if not fields.has("layer_types"):
        return default
    kinds = fields.data["layer_types"]
    known = ("full_attention", "sliding_attention")
    if not isinstance(kinds, list) or len(kinds) != fields.integer("num_hidden_layers"):
        raise ConfigError(f"{fields.where}layer_types: expected one entry a layer, got {kinds!r}")
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ConfigError(f"{fields.where}layer_types: {unknown[0]!r} is not supported; known here: {', '.join(known)}")
    return tuple(i for i, kind in enumerate(kinds) if kind == "sliding_attention")


def open_decoder(folder: Path, config: DecoderConfig, table: KeyTable, dtype: torch.dtype = torch.float32) -> Decoder:
    """The decoder of a folder in Hugging Face layout, in evaluation mode."""
    return build_decoder(config, read_tensors(folder), table, str(folder), dtype)


def build_decoder(
    config: DecoderConfig,
    tensors: Mapping[str, Tensor],
    table: KeyTable,
    where: str,
    dtype: torch.dtype = torch.float32,
) -> Decoder:
    """A decoder that takes over `tensors`; names strict both ways.

    A tied model's file may repeat the embedding as the output projection; it must then be equal.
    """
    with without_memory():
        model = Decoder(config)
    wanted = set(model.state_dict())
    renamed = map_keys(tensors, table, wanted | ({"head.weight"} if repeats_head(config, tensors) else set()), where)
    if config.tied and "head.weight" in renamed:
        head = renamed.pop("head.weight")
        if not torch.equal(head, renamed["embedding.weight"]):
            raise CheckpointError(
                f"{where}: tie_word_embeddings is set but lm_head.weight differs from the embeddings; "
                "one of the two does not belong to this model"
            )
    adopt_tensors(model, renamed, where, dtype)
    return model.eval()


def repeats_head(config: DecoderConfig, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the file of a tied model holds an output projection anyway."""
    return config.tied and any(name.endswith("lm_head.weight") for name in tensors)


def read_fields(folder: Path) -> Fields:
    """The fields of the folder's config.json."""
    return Fields(read_json(folder / "config.json"))
