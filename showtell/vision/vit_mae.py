"""The encoder of a masked autoencoder, ViT-MAE (He et al. 2022).

The architecture and the names are those of the plain ViT (`vit_hf.py`). It differs in two places: positions are fixed
sines and cosines, but the files store them and so they are read like learned ones; and in training three quarters of
the patches are left out before the first block. Here all patches are encoded. The decoder that paints the missing
patches belongs to training and is not loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.keymap import Target
from showtell.vision import vit_hf
from showtell.vision.hf_vision import open_tower, read_vision_config, tower_to_hf
from showtell.vision.vit import VisionTransformer, ViTConfig

PREFIX = "vit."
KEYS: dict[str, Target] = {name: target for name, target in vit_hf.KEYS.items() if name != "pooler.dense"}


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `ViTMAEConfig`, whose fields for the encoder are those of a `ViTConfig`."""
    return vit_hf.config_from_hf(data, feature_layer)


BASE_16_224 = vit_hf.BASE_16_224
LARGE_16_224 = vit_hf.LARGE_16_224
HUGE_14_224 = config_from_hf(
    {
        "patch_size": 14,
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
    }
)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The encoder in `folder`, alone or with its decoder beside it."""
    folder = Path(folder)
    return open_tower(folder, config_from_hf(read_vision_config(folder), feature_layer), KEYS, PREFIX)


def to_hf(model: VisionTransformer, prefix: str = PREFIX) -> dict[str, Tensor]:
    """The published names; `prefix=""` for a file that holds the encoder alone."""
    return tower_to_hf(model, KEYS, prefix)
