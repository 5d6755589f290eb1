"""OpenCLIP checkpoints (Ilharco et al. 2021): CLIP and SigLIP trained in the open, under names of their own.

    open_clip_config.json         {"model_cfg": {"embed_dim", "vision_cfg", "text_cfg", ...}}
    open_clip_model.safetensors

The towers are CLIP's. It differs from CLIP's own files in these places:

* q, k and v are fused, and the two projections are stored as (in, out), the other way round from a linear layer;
* the activation is exact GELU unless the file says `quick_gelu`;
* the last norm of the image tower reads all tokens, unless `final_ln_after_pool` says otherwise;
* the text tower pools the largest id, the first `eos_id`, or the last token, as `pool_type` says;
* `custom_text` moves the names of the text tower below `text.`.

SigLIP's image tower is one of timm's there (`open_clip_trunk.py`). Convolutional towers, text towers borrowed from
other libraries, and attention variants are refused by the name of their field.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.open_clip_trunk import TRUNK_KEYS, trunk_config
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf, open_module, read_json, read_tensors
from showtell.core.keymap import Squeezed, Target, Transposed, prefixed
from showtell.core.mlp import Activation
from showtell.vision.hf_vision import side, sides
from showtell.vision.vit import ViTConfig

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
LAYERS: dict[str, Target] = {
    "transformer.resblocks.{}.ln_1": "blocks.{}.norm1",
    "transformer.resblocks.{}.ln_2": "blocks.{}.norm2",
    "transformer.resblocks.{}.attn.in_proj_weight": tuple(f"blocks.{{}}.attn.{part}.weight" for part in "qkv"),
    "transformer.resblocks.{}.attn.in_proj_bias": tuple(f"blocks.{{}}.attn.{part}.bias" for part in "qkv"),
    "transformer.resblocks.{}.attn.out_proj": "blocks.{}.attn.o",
    "transformer.resblocks.{}.mlp.c_fc": "blocks.{}.mlp.up",
    "transformer.resblocks.{}.mlp.c_proj": "blocks.{}.mlp.down",
}
VISION: dict[str, Target] = {
    "class_embedding": Squeezed("class_token", -1),
    "positional_embedding": "positions",
    "conv1": "patches.projection",
    "ln_pre": "pre_norm",
    **LAYERS,
}
TEXT: dict[str, Target] = {
    "token_embedding": "embedding",
    "positional_embedding": "positions",
    "ln_final": "norm",
    **LAYERS,
}
POOLING = {"argmax": "largest", "eos": "eos", "last": "last"}


def keys_of(config: DualEncoderConfig, custom_text: bool) -> dict[str, Target]:
    """The table of such a pair; which names it bears depends on its configuration."""
    below = "text." if custom_text else ""
    text_projection: Target = Transposed("text_projection.weight")
    vision: dict[str, Target] = {
        **prefixed(VISION, "visual.", "vision."),
        "visual.ln_post": "vision.pool.norm" if config.vision.pooling == "class_norm" else "vision.norm",
        "visual.proj": Transposed("image_projection.weight"),
    }
    if config.projection_dim is None:
        vision, text_projection = prefixed(TRUNK_KEYS, "visual.trunk.", "vision."), "text.head"
    return {
        **vision,
        **prefixed(TEXT, below, "text."),
        f"{below}text_projection": text_projection,
        "logit_scale": Squeezed("similarity.scale", -1),
        "logit_bias": Squeezed("similarity.bias", -1),
    }


def vision_config(data: Mapping[str, Any], quick_gelu: bool) -> ViTConfig:
    """Of a `vision_cfg` that describes a transformer of OpenCLIP's own."""
    fields = Fields(data, "vision_cfg.")
    refuse_variants(fields)
    fields.only("attentional_pool", False)
    fields.only("pool_type", "tok")
    width = fields.size("width", 768)
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 16),
        dim=width,
        depth=fields.size("layers", 12),
        heads=width // fields.size("head_width", 64),
        mlp_dim=int(width * fields.number("mlp_ratio", 4.0)),
        activation=activation(fields, quick_gelu),
        norm_eps=fields.inner("norm_kwargs").number("eps", 1e-5),
        class_token=True,
        patch_bias=False,
        pre_norm=not fields.flag("no_ln_pre", False),
        pooling="class_norm" if fields.flag("final_ln_after_pool", False) else "class",
    )


def text_config(data: Mapping[str, Any], embed_dim: int, quick_gelu: bool) -> TextTowerConfig:
    """Of a `text_cfg`; with `proj_bias` the projection is a layer of the tower, without it one of the pair."""
    fields = Fields(data, "text_cfg.")
    refuse_variants(fields)
    for name, supported in (("hf_model_name", None), ("embed_cls", False), ("proj_type", "linear")):
        fields.only(name, supported)
    width = fields.size("width", 512)
    return TextTowerConfig(
        vocab_size=fields.size("vocab_size", 49408),
        max_tokens=fields.size("context_length", 77),
        dim=width,
        depth=fields.size("layers", 12),
        heads=fields.size("heads", 8),
        mlp_dim=int(width * fields.number("mlp_ratio", 4.0)),
        activation=activation(fields, quick_gelu),
        norm_eps=fields.inner("norm_kwargs").number("eps", 1e-5),
        causal=not fields.flag("no_causal_mask", False),
        pooling=fields.choice("pool_type", POOLING, "argmax"),
        eos_id=fields.integer("eos_id", 2),
        head_dim_out=embed_dim if fields.flag("proj_bias", False) else None,
    )


def config_from_hf(data: Mapping[str, Any]) -> DualEncoderConfig:
    """Of the `model_cfg` in `open_clip_config.json`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    fields.only("multimodal_cfg")
    fields.only("nonscalar_logit_scale", False)
    embed_dim, quick_gelu = fields.size("embed_dim"), fields.flag("quick_gelu", False)
    vision, text = fields.inner("vision_cfg"), fields.inner("text_cfg")
    has_trunk = vision.has("timm_model_name")
    Fields(text.data, text.where).only("proj_bias", has_trunk)  # a trunk ends in the common width, so must the text
    return DualEncoderConfig(
        vision=trunk_config(vision.data) if has_trunk else vision_config(vision.data, quick_gelu),
        text=text_config(text.data, embed_dim, quick_gelu),
        projection_dim=None if has_trunk else embed_dim,
        biased=fields.has("init_logit_bias"),
    )


def activation(fields: Fields, quick_gelu: bool) -> Activation:
    """Exact GELU, its tanh approximation, or the quick one."""
    approximate = fields.inner("act_kwargs").choice("approximate", {"tanh": "gelu_tanh", "none": "gelu"}, "none")
    return "quick_gelu" if quick_gelu else approximate


def refuse_variants(fields: Fields) -> None:
    """Raise ConfigError for attention and block variants that no published CLIP of the plain form uses."""
    fields.only("ls_init_value")
    fields.only("block_type", "default")
    for name in ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"):
        fields.only(name, False)


def load(folder: str | Path) -> DualEncoder:
    """The pair in a folder of OpenCLIP's layout."""
    folder = Path(folder)
    fields = Fields(read_json(folder / CONFIG)).inner("model_cfg")
    config = config_from_hf(fields.data)
    table = keys_of(config, fields.flag("custom_text", False))
    return open_module(lambda: DualEncoder(config), read_tensors(folder, WEIGHTS), table, str(folder))


def to_hf(model: DualEncoder, custom_text: bool = False) -> dict[str, Tensor]:
    """Its tensors under OpenCLIP's names."""
    return names_for_hf(model, keys_of(model.config, custom_text))
