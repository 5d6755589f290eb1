"""The image tower of CLIP (Radford et al. 2021).

It differs from the plain ViT in five places:

* the patch convolution has no bias;
* a norm stands *before* the first block (the published name is `pre_layrnorm`, with that spelling);
* the last norm reads the class token only, so patch tokens leave the tower unnormalised;
* the activation is OpenAI's quick GELU, x * sigmoid(1.702 x), unless the configuration says another;
* norms add 1e-5.

LLaVA reads the patch tokens one block early: `feature_layer=-2`. The text tower and the two projections are in
`contrastive/clip.py`.
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
KEYS: dict[str, Target] = {
    "embeddings.class_embedding": Squeezed("class_token", -1),
    "embeddings.patch_embedding": "patches.projection",
    "embeddings.position_embedding.weight": "positions",
    "pre_layrnorm": "pre_norm",
    "post_layernorm": "pool.norm",
    **CLIP_LAYERS,
}


def clip_vit(image: int, patch: int, dim: int, depth: int, heads: int) -> ViTConfig:
    """A square CLIP tower."""
    return config_from_hf(
        {
            "image_size": image,
            "patch_size": patch,
            "hidden_size": dim,
            "intermediate_size": 4 * dim,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
        }
    )


def config_from_hf(data: Mapping[str, Any], feature_layer: int | None = None) -> ViTConfig:
    """Of a `CLIPVisionConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("num_channels", 3)
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 32),
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "quick_gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-5),
        class_token=True,
        patch_bias=False,
        pre_norm=True,
        pooling="class_norm",
        feature_layer=feature_layer,
        **shape_of(fields),
    )


VIT_B_32 = clip_vit(224, 32, 768, 12, 12)
VIT_B_16 = clip_vit(224, 16, 768, 12, 12)
VIT_L_14 = clip_vit(224, 14, 1024, 24, 16)
VIT_L_14_336 = clip_vit(336, 14, 1024, 24, 16)


def load(folder: str | Path, feature_layer: int | None = None) -> VisionTransformer:
    """The tower of a folder that holds it alone or inside a whole CLIP."""
    folder = Path(folder)
    return open_tower(folder, config_from_hf(read_vision_config(folder), feature_layer), KEYS, PREFIX)


def to_hf(model: VisionTransformer, prefix: str = PREFIX) -> dict[str, Tensor]:
    """The published names; `prefix=""` for a file that holds the tower alone."""
    return tower_to_hf(model, KEYS, prefix)
