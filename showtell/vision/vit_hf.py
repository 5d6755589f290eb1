"""The first ViT (Dosovitskiy et al. 2021) as Hugging Face publishes it.

This is the plain architecture: learned positions, a class token, exact GELU, a norm at the end. Two facts are in the
files only, not in their configuration: whether there is a "pooler" (a linear layer and a tanh on the class token, left
from BERT), and whether there is a classifier (`load_classifier`). Norms add 1e-12 here, the smallest of all families.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf, open_module, read_tensors
from showtell.core.keymap import Squeezed, Target, prefixed, without_prefix
from showtell.vision.classifier import HEAD, VisionClassifier
from showtell.vision.hf_vision import VIT_ATTENTION, read_vision_config, shape_of, side, sides, tower_to_hf
from showtell.vision.pooling import Pooling
from showtell.vision.vit import VisionTransformer, ViTConfig

PREFIX = "vit."
KEYS: dict[str, Target] = {
    "embeddings.cls_token": Squeezed("class_token", 1),
    "embeddings.position_embeddings": Squeezed("positions", 1),
    "embeddings.patch_embeddings.projection": "patches.projection",
    **VIT_ATTENTION,
    "encoder.layer.{}.layernorm_before": "blocks.{}.norm1",
    "encoder.layer.{}.layernorm_after": "blocks.{}.norm2",
    "encoder.layer.{}.intermediate.dense": "blocks.{}.mlp.up",
    "encoder.layer.{}.output.dense": "blocks.{}.mlp.down",
    "layernorm": "norm",
    "pooler.dense": "pool.dense",
}


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None, pooling: Pooling = "class") -> ViTConfig:
    """Of a `ViTConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("num_channels", 3)
    fields.only("pooler_act", "tanh")
    fields.only("pooler_output_size", fields.integer("hidden_size", 768))
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 16),
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-12),
        qkv_bias=fields.flag("qkv_bias", True),
        class_token=True,
        pooling=pooling,
        feature_layer=feature_layer,
        **shape_of(fields),
    )


BASE_16_224 = config_from_hf({})
LARGE_16_224 = config_from_hf(
    {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The tower in `folder`, alone or below a classifier; with its pooler if the files have one."""
    folder = Path(folder)
    tensors = without_prefix(read_tensors(folder), PREFIX)
    pooling: Pooling = "class_tanh" if "pooler.dense.weight" in tensors else "class"
    config = config_from_hf(read_vision_config(folder), feature_layer, pooling)
    return open_module(lambda: VisionTransformer(config), tensors, KEYS, str(folder))


def load_classifier(folder: str | Path) -> VisionClassifier:
    """The tower and the classifier on its class token."""
    folder = Path(folder)
    tensors, data = read_tensors(folder), read_vision_config(folder)
    return VisionClassifier.open(config_from_hf(data), data, tensors, prefixed(KEYS, PREFIX, "vision."), str(folder))


def to_hf(model: VisionTransformer, prefix: str = PREFIX) -> dict[str, Tensor]:
    """The published names; `prefix=""` for a file that holds the tower alone."""
    return tower_to_hf(model, KEYS, prefix)


def classifier_to_hf(model: VisionClassifier) -> dict[str, Tensor]:
    """The published names of a tower with its classifier."""
    return names_for_hf(model, {**prefixed(KEYS, PREFIX, "vision."), **HEAD})
