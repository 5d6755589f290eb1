"""What published vision-language models have in common: their parts, the layouts of their files, how they are opened.

    folder -> config.json -> { vision_config -> ViTConfig,  text_config -> DecoderConfig,  the rest -> a family's own }
           -> *.safetensors -> one layout of names -> KEYS of the tower, the bridge and the decoder -> the parameters

A part is named by the `model_type` inside its own configuration, so any tower meets any decoder. Published files leave
out what their first library had as a default (LLaVA-1.5 does not say how wide its Llama is); those defaults stand here.

The same weights are found under several layouts, because the library that wrote them changed its mind:

    language_model.model.layers.0...       model.language_model.layers.0...       older, newer
    vision_tower.vision_model.encoder...   vision_tower.encoder...
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from showtell.core.errors import CheckpointError, ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import open_module, read_json, read_tensors
from showtell.core.keymap import KeyTable, Target, prefixed
from showtell.text import gemma, llama, qwen
from showtell.text.decoder import DecoderConfig
from showtell.text.families import FAMILIES
from showtell.vision import clip_vit, siglip
from showtell.vision.vit import ViTConfig

M = TypeVar("M", bound=nn.Module)

LLAMA_7B: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}


def mistral_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """Mistral is a Llama all of whose layers see through a window, unless its file says null."""
    config = llama.config_from_hf(data)
    window = data.get("sliding_window", 4096)
    return config if window is None else replace(config, window=window, windowed=tuple(range(config.depth)))


DECODERS: dict[str, Callable[[Mapping[str, Any]], DecoderConfig]] = {
    **{name: family.config_from_hf for name, family in FAMILIES.items()},
    "mistral": mistral_from_hf,
}
# What `text_config` means where it is silent.
SIZES: dict[str, dict[str, Any]] = {
    "llama": LLAMA_7B,
    "mistral": LLAMA_7B | {"intermediate_size": 14_336, "num_key_value_heads": 8},
}
TOWERS: dict[str, tuple[Callable[[Mapping[str, Any], int | None], ViTConfig], dict[str, Target]]] = {
    "clip_vision_model": (clip_vit.config_from_hf, clip_vit.KEYS),
    "siglip_vision_model": (siglip.config_from_hf, siglip.KEYS),
}
# The layout that every other one is brought to, first match first.
LAYOUTS = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", ""),
    ("vision_tower.vision_model.", "vision_tower."),
)


def decoder_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """The decoder that `text_config` describes; tied if either it or the whole model says so.

    Raises ConfigError for a kind of decoder that this library does not have.
    """
    inner = dict(Fields(data).inner("text_config").data)
    kind = inner.setdefault("model_type", "llama")
    if not isinstance(kind, str) or kind not in DECODERS:
        raise ConfigError(f"text_config.model_type: {kind!r} is not supported; known here: {', '.join(DECODERS)}")
    if "tie_word_embeddings" in data:
        inner["tie_word_embeddings"] = bool(inner.get("tie_word_embeddings") or data["tie_word_embeddings"])
    return DECODERS[kind](SIZES.get(kind, {}) | inner)


def decoder_keys(config: DecoderConfig) -> KeyTable:
    """Names of the decoder's tensors, `model.` and `lm_head.` in front."""
    return gemma.keys(config) if config.norm == "offset_rms" else qwen.KEYS


def tower_from_hf(data: Mapping[str, Any], feature_layer: int | None) -> ViTConfig:
    """The tower that `vision_config` describes, read at `feature_layer`."""
    inner = Fields(data).inner("vision_config").data
    read, _ = Fields(inner, "vision_config.").choice("model_type", TOWERS, "clip_vision_model")
    config: ViTConfig = read(inner, feature_layer)
    return config


def tower_keys(config: ViTConfig) -> dict[str, Target]:
    """Names of the tower's tensors: CLIP's has a class token, SigLIP's has none."""
    return clip_vit.KEYS if config.class_token else siglip.KEYS


def image_token(data: Mapping[str, Any], default: int) -> int:
    """The id that stands for a picture's token; two names of the field are in use."""
    fields = Fields(data)
    return fields.integer("image_token_id" if fields.has("image_token_id") else "image_token_index", default)


def in_one_layout(tensors: Mapping[str, Tensor], layouts: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """Names brought to one layout; each pair is a prefix and what takes its place, applied in order, once each."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for old, new in layouts:
            if name.startswith(old):
                name = new + name.removeprefix(old)
        renamed[name] = tensor
    return renamed


def read_model(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json and every tensor of a folder."""
    folder = Path(folder)
    return read_json(folder / "config.json"), read_tensors(folder)


def open_vlm(
    make: Callable[[], M], decoder: DecoderConfig, tensors: dict[str, Tensor], table: KeyTable, where: str
) -> M:
    """The model that `make` builds, filled; a tied decoder's file may repeat the embedding as its output projection."""
    if decoder.tied:
        heads = [name for name in tensors if name.endswith("lm_head.weight")]
        words = [name for name in tensors if name.endswith("embed_tokens.weight")]
        for head in heads:
            if not any(torch.equal(tensors[head], tensors[word]) for word in words):
                raise CheckpointError(
                    f"{where}: tie_word_embeddings is set but {head} differs from the embeddings; "
                    "one of the two does not belong to this model"
                )
            del tensors[head]
    return open_module(make, tensors, table, where)


def moved(table: KeyTable, old: str, new: str) -> dict[str, Target]:
    """`table` with `new` in the place of `old` at the beginning of each of their names that has it."""
    return {new + n.removeprefix(old) if n.startswith(old) else n: target for n, target in table.items()}


def model_keys(vision: KeyTable, bridge: KeyTable, decoder: KeyTable) -> dict[str, Target]:
    """The table of a model of the LLaVA kind, in the one layout."""
    return {
        **prefixed(vision, theirs="vision_tower.", ours="vision."),
        **prefixed(bridge, theirs="multi_modal_projector.", ours="connector."),
        **prefixed(decoder, theirs="language_model.", ours="decoder."),
    }
