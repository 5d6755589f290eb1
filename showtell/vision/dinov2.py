"""DINOv2 (Oquab et al. 2023), with and without registers (Darcet et al. 2023): features learned without any labels.

It differs from the plain ViT in these places:

* LayerScale: what each half of a block adds is multiplied by a learned gain per channel;
* the giant model's MLP is gated (SwiGLU), its gate and its value fused into one matrix, of a hidden width that is two
  thirds of the plain one's, rounded up to a multiple of 8;
* the checkpoints carry the mask token of their training, which inference does not read;
* positions were learned for 37 x 37 patches and are resampled for nearly every use. The models *with registers*
  resample with a widened kernel where the grid shrinks, those without do not: the same picture, different features;
* registers stand between class token and patches and have no positions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf, read_tensors
from showtell.core.keymap import Squeezed, Target, prefixed
from showtell.vision.classifier import HEAD, VisionClassifier
from showtell.vision.hf_vision import VIT_ATTENTION, open_tower, read_vision_config, shape_of, side, sides, tower_to_hf
from showtell.vision.vit import VisionTransformer, ViTConfig

TRUNK: dict[str, Target] = {
    "embeddings.cls_token": Squeezed("class_token", 1),
    "embeddings.mask_token": "mask_token",
    "embeddings.register_tokens": Squeezed("registers.tokens", 1),
    "embeddings.position_embeddings": Squeezed("positions", 1),
    "embeddings.patch_embeddings.projection": "patches.projection",
    **VIT_ATTENTION,
    "encoder.layer.{}.norm1": "blocks.{}.norm1",
    "encoder.layer.{}.norm2": "blocks.{}.norm2",
    "encoder.layer.{}.layer_scale1.lambda1": "blocks.{}.scale1.gain",
    "encoder.layer.{}.layer_scale2.lambda1": "blocks.{}.scale2.gain",
    "layernorm": "norm",
}
KEYS: dict[str, Target] = {
    **TRUNK,
    "encoder.layer.{}.mlp.fc1": "blocks.{}.mlp.up",
    "encoder.layer.{}.mlp.fc2": "blocks.{}.mlp.down",
}
GATED_KEYS: dict[str, Target] = {
    **TRUNK,
    "encoder.layer.{}.mlp.weights_in.weight": ("blocks.{}.mlp.gate.weight", "blocks.{}.mlp.up.weight"),
    "encoder.layer.{}.mlp.weights_in.bias": ("blocks.{}.mlp.gate.bias", "blocks.{}.mlp.up.bias"),
    "encoder.layer.{}.mlp.weights_out": "blocks.{}.mlp.down",
}


def has_registers(data: Mapping[str, Any]) -> bool:
    """Which of the two published architectures the configuration declares."""
    known = {"dinov2": False, "dinov2_with_registers": True}
    return bool(Fields(data).choice("model_type", known, "dinov2"))


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `Dinov2Config` or `Dinov2WithRegistersConfig`; raises ConfigError for a value this library does not have."""
    fields, registers = Fields(data), has_registers(data)
    fields.only("num_channels", 3)
    shape, gated = shape_of(fields), fields.flag("use_swiglu_ffn", False)
    mlp_dim = int(shape["dim"] * fields.number("mlp_ratio", 4))
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 16 if registers else 14),
        mlp_dim=(int(mlp_dim * 2 / 3) + 7) // 8 * 8 if gated else mlp_dim,
        gated=gated,
        activation="silu" if gated else fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-6),
        layer_scale=fields.number("layerscale_value", 1.0),
        qkv_bias=fields.flag("qkv_bias", True),
        class_token=True,
        registers=fields.integer("num_register_tokens", 4) if registers else 0,
        mask_token=registers or fields.flag("use_mask_token", True),
        position_kernel="bicubic_antialias" if registers else "bicubic",
        feature_layer=feature_layer,
        **shape,
    )


def dinov2_vit(dim: int, depth: int, heads: int, gated: bool = False, registers: bool = False) -> ViTConfig:
    """A published size: patches of 14, positions of 518 x 518 pixels."""
    return config_from_hf(
        {
            "model_type": "dinov2_with_registers" if registers else "dinov2",
            "image_size": 518,
            "patch_size": 14,
            "hidden_size": dim,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "use_swiglu_ffn": gated,
        }
    )


SMALL = dinov2_vit(384, 12, 6)
BASE = dinov2_vit(768, 12, 12)
LARGE = dinov2_vit(1024, 24, 16)
GIANT = dinov2_vit(1536, 40, 24, gated=True)
BASE_REGISTERS = dinov2_vit(768, 12, 12, registers=True)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The tower in `folder`, alone or below a classifier."""
    folder = Path(folder)
    config = config_from_hf(read_vision_config(folder), feature_layer)
    return open_tower(folder, config, keys_of(config), prefix_of(config))


def load_classifier(folder: str | Path) -> VisionClassifier:
    """The tower and the classifier on its class token and mean patch token."""
    folder = Path(folder)
    data, tensors = read_vision_config(folder), read_tensors(folder)
    config = config_from_hf(data)
    return VisionClassifier.open(config, data, tensors, keys_below_head(config), str(folder), with_mean=True)


def to_hf(model: VisionTransformer, prefix: str = "") -> dict[str, Tensor]:
    """The published names, `prefix` before each."""
    return tower_to_hf(model, keys_of(model.config), prefix)


def classifier_to_hf(model: VisionClassifier) -> dict[str, Tensor]:
    """The published names of a tower with its classifier."""
    return names_for_hf(model, {**keys_below_head(model.vision.config), **HEAD})


def keys_of(config: ViTConfig) -> dict[str, Target]:
    """The table of this tower."""
    return GATED_KEYS if config.gated else KEYS


def prefix_of(config: ViTConfig) -> str:
    """What stands before the tower's names in a file that also holds a classifier."""
    return "dinov2_with_registers." if config.registers else "dinov2."


def keys_below_head(config: ViTConfig) -> dict[str, Target]:
    return prefixed(keys_of(config), prefix_of(config), "vision.")
