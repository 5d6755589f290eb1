"""SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025): each pair judged alone, by a sigmoid.

    p(picture fits caption) = sigmoid(exp(scale) * image . text + bias)

The text tower sees all of the caption at once and reads the *last position* of captions padded to one length (64),
through a linear layer with a bias; padding is read like any token, so hand in no `valid` and pad as in training.
Captions are put into a canonical form first (`canonicalize`, `lowercase`). The towers end in the same width, so
there are no further projections. SigLIP 2 declares itself as SigLIP at a fixed size, and as its own family at native
size ("NaFlex", `vision/siglip2.py`).
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.contrastive.dual_encoder import DualEncoder, DualEncoderConfig
from showtell.contrastive.hf_dual import TEXT_KEYS, both_towers, dual_to_hf, open_dual, part
from showtell.contrastive.text_tower import TextTowerConfig
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, read_json
from showtell.core.keymap import Target
from showtell.vision import siglip, siglip2
from showtell.vision.hf_vision import shape_of

KEYS: dict[str, Target] = {
    **both_towers(siglip.KEYS, {**TEXT_KEYS, "head": "head"}),
    "logit_scale": "similarity.scale",
    "logit_bias": "similarity.bias",
}


def canonicalize(caption: str) -> str:
    """What SigLIP was trained on: lower case, no ASCII punctuation, single spaces."""
    bare = caption.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(bare.split())


def lowercase(caption: str) -> str:
    """What SigLIP 2 was trained on: lower case, punctuation kept."""
    return caption.lower()


def text_config_from_hf(data: Mapping[str, Any]) -> TextTowerConfig:
    """Of a `SiglipTextConfig` or `Siglip2TextConfig`; raises ConfigError for a value this library does not have."""
    fields = Fields(data)
    shape = shape_of(fields)
    return TextTowerConfig(
        vocab_size=fields.size("vocab_size", 32000),
        max_tokens=fields.size("max_position_embeddings", 64),
        mlp_dim=fields.size("intermediate_size", 3072),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh"),
        norm_eps=fields.number("layer_norm_eps", 1e-6),
        causal=False,
        pooling="last",
        head_dim_out=fields.size("projection_size", shape["dim"]),
        **shape,
    )


def config_from_hf(data: Mapping[str, Any]) -> DualEncoderConfig:
    """Of a `SiglipConfig` or, where `model_type` says so, a `Siglip2Config`."""
    native = Fields(data).choice("model_type", {"siglip": False, "siglip2": True}, "siglip")
    family = siglip2 if native else siglip
    return DualEncoderConfig(
        vision=family.config_from_hf(part(data, "vision_config")),
        text=text_config_from_hf(part(data, "text_config")),
        biased=True,
        native=native,
    )


BASE_16_224 = config_from_hf({})
SIGLIP2_BASE_16_224 = config_from_hf({"text_config": {"vocab_size": 256_000}})
SIGLIP2_BASE_16_NAFLEX = config_from_hf({"model_type": "siglip2", "text_config": {"vocab_size": 256_000}})


def load(folder: str | Path) -> DualEncoder:
    """The pair in `folder`."""
    return open_dual(Path(folder), config_from_hf(read_json(Path(folder) / "config.json")), KEYS)


def to_hf(model: DualEncoder) -> dict[str, Tensor]:
    """Its tensors under the published names."""
    return dual_to_hf(model, KEYS)
