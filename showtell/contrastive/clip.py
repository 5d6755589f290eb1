"""CLIP (Radford et al. 2021): the pair that made zero-shot classification common.

The image tower is in `vision/clip_vit.py`. The text tower is causal and pools at the end of the text. Two ways to find
that end are in circulation: files that say `eos_token_id: 2` are older than the field's correction, and mean "the
largest id", which is where CLIP's own vocabulary keeps its end-of-text; all others mean the first token with that id.
Projections have no bias, and the logit scale is stored as a number without dimensions.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.hf_dual import TEXT_KEYS, both_towers, dual_to_hf, open_dual, part
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, read_json
from showtell.core.keymap import Squeezed, Target
from showtell.vision import clip_vit
from showtell.vision.hf_vision import shape_of

LEGACY_EOS_ID = 2
KEYS: dict[str, Target] = {
    **both_towers(clip_vit.KEYS, TEXT_KEYS),
    "visual_projection": "image_projection",
    "text_projection": "text_projection",
    "logit_scale": Squeezed("similarity.scale", -1),
}


def text_config_from_hf(data: Mapping[str, Any]) -> TextTowerConfig:
    """Of a `CLIPTextConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    eos_id = fields.integer("eos_token_id", 49407)
    return TextTowerConfig(
        vocab_size=fields.size("vocab_size", 49408),
        max_tokens=fields.size("max_position_embeddings", 77),
        mlp_dim=fields.size("intermediate_size", 2048),
        activation=fields.choice("hidden_act", ACTIVATIONS, "quick_gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-5),
        pooling="largest" if eos_id == LEGACY_EOS_ID else "eos",
        eos_id=eos_id,
        **shape_of(fields, dim=512, heads=8),
    )


def config_from_hf(data: Mapping[str, Any]) -> DualEncoderConfig:
    """Of a `CLIPConfig`."""
    return DualEncoderConfig(
        vision=clip_vit.config_from_hf(part(data, "vision_config")),
        text=text_config_from_hf(part(data, "text_config")),
        projection_dim=Fields(data).size("projection_dim", 512),
    )


VIT_B_32 = config_from_hf({})
VIT_B_16 = replace(VIT_B_32, vision=clip_vit.VIT_B_16)
VIT_L_14 = config_from_hf(
    {
        "projection_dim": 768,
        "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        "vision_config": {
            "patch_size": 14,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
        },
    }
)


def load(folder: str | Path) -> DualEncoder:
    """The pair in `folder`."""
    return open_dual(Path(folder), config_from_hf(read_json(Path(folder) / "config.json")), KEYS)


def to_hf(model: DualEncoder) -> dict[str, Tensor]:
    """Its tensors under the published names."""
    return dual_to_hf(model, KEYS)
