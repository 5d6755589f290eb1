"""LLaVA and LLaVA-1.5 (Liu et al. 2023), the plainest vision-language model: `PrefixVLM` as it stands.

    336 x 336 -> CLIP-L/14, 24 x 24 patch tokens as they leave the last block but one -> 2-layer MLP -> 576 words

* The tower is read at `vision_feature_layer` = -2: the last block was shaped by CLIP's class token, the one before it
  still knows where things are. Neither the last block nor the last norm runs.
* `vision_feature_select_strategy` "default" drops CLIP's class token; "full" keeps all tokens, which is right for
  towers that have none (SigLIP in llava-interleave).
* The picture is a row of words among words: causal attention, positions counted through.

    llava-1.5-7b               CLIP-L/14 336, Vicuna 7B (a Llama 2)
    llava-interleave-qwen-0.5b SigLIP so400m/14 384, layer -1, Qwen2 0.5B
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf
from showtell.core.keymap import KeyTable, Target
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.hf_parts import (
    LAYOUTS,
    decoder_from_hf,
    decoder_keys,
    image_token,
    in_one_layout,
    model_keys,
    open_vlm,
    read_model,
    tower_from_hf,
    tower_keys,
)
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.text.decoder import DecoderConfig
from showtell.vision import clip_vit
from showtell.vision.vit import ViTConfig

BRIDGE: dict[str, Target] = {"linear_1": "up", "linear_2": "down"}


def config_from_hf(data: Mapping[str, Any]) -> PrefixVLMConfig:
    """The model that a LLaVA `config.json` describes; ConfigError names a field this library does not follow."""
    return PrefixVLMConfig(
        vision=llava_tower(data, layer=-2, strategy="default"),
        connector=llava_connector(data),
        decoder=decoder_from_hf(data),
        image_token_id=image_token(data, 32_000),
    )


def llava_tower(data: Mapping[str, Any], layer: int, strategy: str) -> ViTConfig:
    """The tower, read where the file says, or else at `layer`."""
    fields = Fields(data)
    tower = tower_from_hf(data, fields.integer("vision_feature_layer", layer))
    select = fields.choice("vision_feature_select_strategy", {"default": "default", "full": "full"}, strategy)
    if (select == "default") != tower.class_token:
        has = "has" if tower.class_token else "has no"
        raise ConfigError(
            f"vision_feature_select_strategy: {select!r} is not supported for a tower that {has} class token"
        )
    return tower


def llava_connector(data: Mapping[str, Any]) -> ConnectorConfig:
    """Two layers with a GELU between."""
    fields = Fields(data)
    return ConnectorConfig(
        kind="mlp",
        activation=fields.choice("projector_hidden_act", ACTIVATIONS, "gelu"),
        bias=fields.flag("multimodal_projector_bias", True),
    )


VICUNA_7B = DecoderConfig(vocab_size=32_064, dim=4096, depth=32, heads=32, mlp_dim=11_008, tied=False)
LLAVA_1_5_7B = PrefixVLMConfig(
    vision=replace(clip_vit.VIT_L_14_336, feature_layer=-2),
    connector=ConnectorConfig(kind="mlp"),
    decoder=VICUNA_7B,
    image_token_id=32_000,
)


def keys(config: PrefixVLMConfig) -> KeyTable:
    """The table of names for these parts."""
    return model_keys(tower_keys(config.vision), BRIDGE, decoder_keys(config.decoder))


def load(folder: str | Path) -> PrefixVLM:
    """A folder in Hugging Face layout, old or new."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    named = in_one_layout(tensors, LAYOUTS)
    return open_vlm(lambda: PrefixVLM(config), config.decoder, named, keys(config), str(folder))


def to_hf(model: PrefixVLM) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))
