"""The image towers that OpenCLIP borrows from timm for SigLIP and SigLIP 2.

The architecture is that of `vision/siglip.py`, the names are timm's: q, k, v fused in the blocks, k and v fused in the
pooling head. The configuration says no sizes, only which of timm's towers it is (`timm_model_name`), so those are
listed here. A trap: most of these towers compute *exact* GELU where the same weights in Hugging Face's layout declare
the tanh approximation. Each layout is computed as it declares itself, so the two do not agree to the last digit.
"""

from collections.abc import Mapping
from typing import Any

from showtell.core.hf_config import Fields
from showtell.core.keymap import Squeezed, Target
from showtell.core.mlp import Activation
from showtell.vision.vit import ViTConfig

TRUNK_KEYS: dict[str, Target] = {
    "pos_embed": Squeezed("positions", 1),
    "patch_embed.proj": "patches.projection",
    "blocks.{}.norm1": "blocks.{}.norm1",
    "blocks.{}.norm2": "blocks.{}.norm2",
    "blocks.{}.attn.qkv.weight": tuple(f"blocks.{{}}.attn.{part}.weight" for part in "qkv"),
    "blocks.{}.attn.qkv.bias": tuple(f"blocks.{{}}.attn.{part}.bias" for part in "qkv"),
    "blocks.{}.attn.proj": "blocks.{}.attn.o",
    "blocks.{}.mlp.fc1": "blocks.{}.mlp.up",
    "blocks.{}.mlp.fc2": "blocks.{}.mlp.down",
    "norm": "norm",
    "attn_pool.latent": Squeezed("pool.probe", 1),
    "attn_pool.q": "pool.attn.q",
    "attn_pool.kv.weight": ("pool.attn.k.weight", "pool.attn.v.weight"),
    "attn_pool.kv.bias": ("pool.attn.k.bias", "pool.attn.v.bias"),
    "attn_pool.proj": "pool.attn.o",
    "attn_pool.norm": "pool.norm",
    "attn_pool.mlp.fc1": "pool.mlp.up",
    "attn_pool.mlp.fc2": "pool.mlp.down",
}


def siglip_trunk(
    image: int, patch: int, dim: int, depth: int, heads: int, mlp_dim: int, activation: Activation = "gelu"
) -> ViTConfig:
    """A tower as timm builds it."""
    return ViTConfig(
        image_size=(image, image),
        patch_size=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=mlp_dim,
        activation=activation,
        pooling="attention",
    )


def base(image: int, patch: int = 16, activation: Activation = "gelu") -> ViTConfig:
    return siglip_trunk(image, patch, 768, 12, 12, 3072, activation)


def large(image: int, activation: Activation = "gelu") -> ViTConfig:
    return siglip_trunk(image, 16, 1024, 24, 16, 4096, activation)


def so400m(image: int, patch: int, activation: Activation = "gelu") -> ViTConfig:
    return siglip_trunk(image, patch, 1152, 27, 16, 4304, activation)


TRUNKS: dict[str, ViTConfig] = {
    "vit_base_patch32_siglip_256": base(256, 32, "gelu_tanh"),
    "vit_base_patch16_siglip_224": base(224),
    "vit_base_patch16_siglip_256": base(256),
    "vit_base_patch16_siglip_384": base(384),
    "vit_base_patch16_siglip_512": base(512),
    "vit_large_patch16_siglip_256": large(256),
    "vit_large_patch16_siglip_384": large(384),
    "vit_large_patch16_siglip_512": large(512, "gelu_tanh"),
    "vit_so400m_patch14_siglip_224": so400m(224, 14),
    "vit_so400m_patch14_siglip_378": so400m(378, 14),
    "vit_so400m_patch14_siglip_384": so400m(384, 14),
    "vit_so400m_patch16_siglip_256": so400m(256, 16, "gelu_tanh"),
    "vit_so400m_patch16_siglip_384": so400m(384, 16, "gelu_tanh"),
    "vit_so400m_patch16_siglip_512": so400m(512, 16, "gelu_tanh"),
    "vit_giantopt_patch16_siglip_256": siglip_trunk(256, 16, 1536, 40, 16, 6144, "gelu_tanh"),
    "vit_giantopt_patch16_siglip_384": siglip_trunk(384, 16, 1536, 40, 16, 6144, "gelu_tanh"),
}


def trunk_config(data: Mapping[str, Any]) -> ViTConfig:
    """Of a `vision_cfg` that names one of timm's towers; raises ConfigError for one that is not listed."""
    fields = Fields(data, "vision_cfg.")
    fields.only("timm_pool", "map")
    fields.only("timm_proj", "none")
    config: ViTConfig = fields.choice("timm_model_name", TRUNKS)
    fields.only("image_size", config.image_size[0], list(config.image_size))
    return config
