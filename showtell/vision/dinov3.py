"""DINOv3's vision transformer (Simeoni et al. 2025).

It differs from DINOv2 in these places:

* nothing is added for positions; queries and keys of patches are rotated by the row and the column of the patch's
  centre, scaled to [-1, 1] (`pos_embed.AxialRotary`); class token and registers are not turned;
* k has no bias, q and v have one;
* the largest models gate their MLP, with separate matrices.

In training the reference shifts and stretches the coordinates at random; those settings change nothing here. Its
ConvNeXt siblings are another architecture.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS
from showtell.core.keymap import Squeezed, Target
from showtell.vision.hf_vision import open_tower, read_vision_config, shape_of, side, sides, tower_to_hf
from showtell.vision.vit import VisionTransformer, ViTConfig

KEYS: dict[str, Target] = {
    "embeddings.cls_token": Squeezed("class_token", 1),
    "embeddings.mask_token": Squeezed("mask_token", 1),
    "embeddings.register_tokens": Squeezed("registers.tokens", 1),
    "embeddings.patch_embeddings": "patches.projection",
    "layer.{}.norm1": "blocks.{}.norm1",
    "layer.{}.norm2": "blocks.{}.norm2",
    "layer.{}.attention.q_proj": "blocks.{}.attn.q",
    "layer.{}.attention.k_proj": "blocks.{}.attn.k",
    "layer.{}.attention.v_proj": "blocks.{}.attn.v",
    "layer.{}.attention.o_proj": "blocks.{}.attn.o",
    "layer.{}.layer_scale1.lambda1": "blocks.{}.scale1.gain",
    "layer.{}.layer_scale2.lambda1": "blocks.{}.scale2.gain",
    "layer.{}.mlp.gate_proj": "blocks.{}.mlp.gate",
    "layer.{}.mlp.up_proj": "blocks.{}.mlp.up",
    "layer.{}.mlp.down_proj": "blocks.{}.mlp.down",
    "norm": "norm",
}


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `DINOv3ViTConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("num_channels", 3)
    fields.only("proj_bias", True)
    bias = fields.flag("query_bias", True)
    fields.only("value_bias", bias)
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 16),
        mlp_dim=fields.size("intermediate_size", 1536),
        gated=fields.flag("use_gated_mlp", False),
        mlp_bias=fields.flag("mlp_bias", True),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-5),
        layer_scale=fields.number("layerscale_value", 1.0),
        qkv_bias=bias,
        key_bias=fields.flag("key_bias", False),
        positions="rope",
        rope_base=fields.number("rope_theta", 100.0),
        class_token=True,
        registers=fields.integer("num_register_tokens", 0),
        mask_token=True,
        feature_layer=feature_layer,
        **shape_of(fields, dim=384, heads=6),
    )


def dinov3_vit(dim: int, depth: int, heads: int, mlp_dim: int, gated: bool = False) -> ViTConfig:
    """A published size: patches of 16, four registers."""
    return config_from_hf(
        {
            "hidden_size": dim,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "intermediate_size": mlp_dim,
            "use_gated_mlp": gated,
            "hidden_act": "silu" if gated else "gelu",
            "num_register_tokens": 4,
        }
    )


SMALL_16 = dinov3_vit(384, 12, 6, 1536)
SMALL_PLUS_16 = dinov3_vit(384, 12, 6, 1536, gated=True)
BASE_16 = dinov3_vit(768, 12, 12, 3072)
LARGE_16 = dinov3_vit(1024, 24, 16, 4096)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The tower in `folder`."""
    folder = Path(folder)
    return open_tower(folder, config_from_hf(read_vision_config(folder), feature_layer), KEYS, prefix="")


def to_hf(model: VisionTransformer, prefix: str = "") -> dict[str, Tensor]:
    """The published names, `prefix` before each."""
    return tower_to_hf(model, KEYS, prefix)
