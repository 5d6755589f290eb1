"""What the published pairs have in common: the names of their text towers and how a folder is opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.core.errors import ConfigError
from showtell.core.hf_folder import names_for_hf, open_module, read_tensors
from showtell.core.keymap import KeyTable, Target, prefixed
from showtell.vision.hf_vision import CLIP_LAYERS

TEXT_KEYS: dict[str, Target] = {
    "embeddings.token_embedding": "embedding",
    "embeddings.position_embedding.weight": "positions",
    "final_layer_norm": "norm",
    **CLIP_LAYERS,
}


def both_towers(vision: KeyTable, text: KeyTable) -> dict[str, Target]:
    """The tables of the two towers, each under its place in the pair."""
    return {**prefixed(vision, "vision_model.", "vision."), **prefixed(text, "text_model.", "text.")}


def part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A tower's configuration inside the pair's.

    Early CLIP files say it twice; where `text_config_dict` is there, the reference takes it and the defaults, and
    nothing from `text_config`.
    """
    inner = data.get(f"{name}_dict") or data.get(name) or {}
    if not isinstance(inner, Mapping):
        raise ConfigError(f"{name}: expected a mapping of fields, got {inner!r}")
    return inner


def open_dual(folder: Path, config: DualEncoderConfig, table: KeyTable) -> DualEncoder:
    return open_module(lambda: DualEncoder(config), read_tensors(folder), table, str(folder))


def dual_to_hf(model: DualEncoder, table: KeyTable) -> dict[str, Tensor]:
    """Its tensors under the published names."""
    return names_for_hf(model, table)
