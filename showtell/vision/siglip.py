"""The image tower of SigLIP (Zhai et al. 2023), and of SigLIP 2 at a fixed size.

It differs from the plain ViT in three places:

* there is no class token; a learned query pools the patch tokens by attention (`pooling.AttentionPool`), and its q, k
  and v are stored as one fused matrix, which the table splits;
* the activation is the tanh approximation of GELU;
* vision-language models leave the pooling head away (`vision_use_head: false`): `pooled` is then the mean.

The SigLIP 2 checkpoints of a fixed size declare this same architecture; those of native size are in `siglip2.py`, the
text tower and the sigmoid in `contrastive/siglip.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS
from showtell.core.keymap import Squeezed, Target
from showtell.vision.hf_vision import CLIP_LAYERS, open_tower, read_vision_config, shape_of, side, sides, tower_to_hf
from showtell.vision.vit import VisionTransformer, ViTConfig

PREFIX = "vision_model."
HEAD: dict[str, Target] = {
    "head.probe": Squeezed("pool.probe", 1),
    "head.attention.in_proj_weight": ("pool.attn.q.weight", "pool.attn.k.weight", "pool.attn.v.weight"),
    "head.attention.in_proj_bias": ("pool.attn.q.bias", "pool.attn.k.bias", "pool.attn.v.bias"),
    "head.attention.out_proj": "pool.attn.o",
    "head.layernorm": "pool.norm",
    "head.mlp.fc1": "pool.mlp.up",
    "head.mlp.fc2": "pool.mlp.down",
}
KEYS: dict[str, Target] = {
    "embeddings.patch_embedding": "patches.projection",
    "embeddings.position_embedding.weight": "positions",
    "post_layernorm": "norm",
    **CLIP_LAYERS,
    **HEAD,
}


def siglip_vit(image: int, patch: int, dim: int, depth: int, heads: int, mlp_dim: int) -> ViTConfig:
    """A square SigLIP tower."""
    return config_from_hf(
        {
            "image_size": image,
            "patch_size": patch,
            "hidden_size": dim,
            "intermediate_size": mlp_dim,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
        }
    )


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `SiglipVisionConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("num_channels", 3)
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 16),
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh"),
        norm_eps=fields.number("layer_norm_eps", 1e-6),
        pooling="attention" if fields.flag("vision_use_head", True) else "mean",
        feature_layer=feature_layer,
        **shape_of(fields),
    )


BASE_16_224 = siglip_vit(224, 16, 768, 12, 12, 3072)
BASE_16_512 = siglip_vit(512, 16, 768, 12, 12, 3072)
LARGE_16_256 = siglip_vit(256, 16, 1024, 24, 16, 4096)
SO400M_14_384 = siglip_vit(384, 14, 1152, 27, 16, 4304)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The tower of a folder that holds it alone or inside a whole SigLIP."""
    folder = Path(folder)
    return open_tower(folder, config_from_hf(read_vision_config(folder), feature_layer), KEYS, PREFIX)


def to_hf(model: VisionTransformer, prefix: str = PREFIX) -> dict[str, Tensor]:
    """The published names; `prefix=""` for a file that holds the tower alone."""
    return tower_to_hf(model, KEYS, prefix)
