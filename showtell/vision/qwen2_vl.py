"""The towers of Qwen2-VL and Qwen2.5-VL (Wang et al. 2024; Bai et al. 2025): two settings of `NativeViT`.

    Qwen2-VL     LayerNorm, quick GELU; every layer sees whole frames
    Qwen2.5-VL   RMSNorm, SwiGLU with biases; all layers but four see only windows of 112 x 112 pixels

    Qwen2-VL-2B     32 layers, dim 1280, 16 heads, MLP 5120, out 1536
    Qwen2.5-VL-3B   32 layers, dim 1280, 16 heads, MLP 3420, out 2048, whole frames in layers 7, 15, 23, 31

`embed_dim` in the configuration tells the two apart. In Qwen2-VL's file `hidden_size` is the width that comes *out*.
"""

from collections.abc import Mapping
from typing import Any

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.keymap import KeyTable
from showtell.core.mlp import Activation
from showtell.vision.native_vit import NativeViTConfig

ACTIVATIONS: dict[str, Activation] = {"quick_gelu": "quick_gelu", "silu": "silu", "gelu": "gelu"}
KEYS: KeyTable = {
    "patch_embed.proj": "patches",
    "blocks.{}.attn.qkv": ("blocks.{}.attn.q", "blocks.{}.attn.k", "blocks.{}.attn.v"),
    "blocks.{}.attn.proj": "blocks.{}.attn.o",
    "blocks.{}.norm1": "blocks.{}.norm1",
    "blocks.{}.norm2": "blocks.{}.norm2",
    "merger.ln_q": "merger.norm",
    "merger.mlp.0": "merger.mlp.up",
    "merger.mlp.2": "merger.mlp.down",
}
PLAIN: KeyTable = {"blocks.{}.mlp.fc1": "blocks.{}.mlp.up", "blocks.{}.mlp.fc2": "blocks.{}.mlp.down"}
GATED: KeyTable = {
    "blocks.{}.mlp.gate_proj": "blocks.{}.mlp.gate",
    "blocks.{}.mlp.up_proj": "blocks.{}.mlp.up",
    "blocks.{}.mlp.down_proj": "blocks.{}.mlp.down",
}


def keys(config: NativeViTConfig) -> KeyTable:
    """The table of names; the two differ in their MLP."""
    return {**KEYS, **(GATED if config.gated else PLAIN)}


def config_from_hf(data: Mapping[str, Any]) -> NativeViTConfig:
    """The tower that a `vision_config` of Qwen2-VL or Qwen2.5-VL describes (`embed_dim` tells them apart)."""
    fields = Fields(data, "vision_config.")
    rope = fields.inner("rope_parameters")
    rope.only("rope_type", "axial")
    fields.only("in_channels", 3)
    fields.only("in_chans", 3)
    common: dict[str, Any] = {
        "patch_size": fields.size("patch_size"),
        "frame_size": fields.size("temporal_patch_size", 2),
        "merge": fields.size("spatial_merge_size", 2),
        "depth": fields.size("depth"),
        "heads": fields.size("num_heads"),
        "rope_base": rope.number("rope_theta", 10_000.0),
    }
    if fields.has("embed_dim"):
        dim = fields.size("embed_dim")
        return NativeViTConfig(
            **common,
            dim=dim,
            mlp_dim=dim * fields.size("mlp_ratio", 4),
            out_dim=fields.size("hidden_size"),
            activation=fields.choice("hidden_act", ACTIVATIONS, "quick_gelu"),
        )
    full = fields.data.get("fullatt_block_indexes")
    full = (7, 15, 23, 31) if full is None else full
    if not isinstance(full, list | tuple) or not all(isinstance(layer, int) for layer in full):
        raise ConfigError(f"vision_config.fullatt_block_indexes: expected numbers of layers, got {full!r}")
    return NativeViTConfig(
        **common,
        dim=fields.size("hidden_size"),
        mlp_dim=fields.size("intermediate_size"),
        out_dim=fields.size("out_hidden_size"),
        activation=fields.choice("hidden_act", ACTIVATIONS, "silu"),
        gated=True,
        norm="rms",
        window=fields.size("window_size", 112),
        full_layers=tuple(full),
    )
