"""PaliGemma and PaliGemma 2 (Beyer et al. 2024; Steiner et al. 2024): the question is read like the picture, at once.

    <image> x 256  <bos> question \\n    answer <eos>
    └──────────── prefix ───────────┘   └─ suffix ─┘

                 prefix    suffix            Everything that is given sees everything that is given; only what has to
    prefix     # # # # #   . . .             be written is causal. So the picture's own words are read in the light of
    suffix     # # # # #   # . .             the question. Files call the two parts token types 0 and 1.
               # # # # #   # # .

SigLIP so400m/14, one matrix, Gemma (2: Gemma 2). Positions are counted from 1. Boxes are written as <loc0000> ...
<loc1023>, masks as <seg000> ... <seg127>, ordinary words of the vocabulary.

    paligemma-3b-pt-224    16 x 16 tokens of SigLIP so400m/14, Gemma 2B (18 layers, dim 2048, 8 heads on 1 of keys)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf
from showtell.core.keymap import KeyTable, prefixed
from showtell.core.masks import left_padded_mask
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.hf_parts import (
    LAYOUTS,
    decoder_from_hf,
    decoder_keys,
    image_token,
    in_one_layout,
    open_vlm,
    read_model,
)
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.vision import siglip

SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
    "vision_use_head": False,
}


def config_from_hf(data: Mapping[str, Any]) -> PrefixVLMConfig:
    """The model that a PaliGemma `config.json` describes."""
    text = dict(Fields(data).inner("text_config").data)
    text.setdefault("model_type", "gemma")
    text.pop("use_bidirectional_attention", None)  # says what this file says: the prefix is not causal
    return PrefixVLMConfig(
        vision=siglip.config_from_hf(Fields(data).inner("vision_config").data),
        connector=ConnectorConfig(kind="linear"),
        decoder=decoder_from_hf({**data, "text_config": text}),
        image_token_id=image_token(data, 256_000),
    )


GEMMA_2B = {"hidden_size": 2048, "intermediate_size": 16_384, "num_hidden_layers": 18, "num_attention_heads": 8}
PALIGEMMA_3B_224 = config_from_hf(
    {
        "vision_config": SO400M | {"image_size": 224},
        "text_config": GEMMA_2B | {"num_key_value_heads": 1, "vocab_size": 257_216},
        "image_token_index": 257_152,
    }
)


def keys(config: PrefixVLMConfig) -> KeyTable:
    """The table of names for these parts."""
    return {
        **prefixed(siglip.KEYS, theirs="vision_tower.", ours="vision."),
        "multi_modal_projector.linear": "connector",
        **prefixed(decoder_keys(config.decoder), theirs="language_model.", ours="decoder."),
    }


def load(folder: str | Path) -> PrefixVLM:
    """A folder in Hugging Face layout, old or new."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    named = in_one_layout(tensors, LAYOUTS)
    return open_vlm(lambda: PrefixVLM(config), config.decoder, named, keys(config), str(folder))


def to_hf(model: PrefixVLM) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))


def positions(valid: Bool[Tensor, "batch tokens"]) -> Int[Tensor, "batch tokens"]:
    """Real tokens counted from 1."""
    return valid.long().cumsum(dim=1).clamp_min(1)


def prefix_sees_all(
    valid: Bool[Tensor, "batch tokens"], prefix: Bool[Tensor, "batch tokens"]
) -> Bool[Tensor, "batch 1 tokens tokens"]:
    """The mask drawn above; `prefix` is True for what is given. Padding sees itself only."""
    return left_padded_mask(valid, valid.shape[1]) | within_prefix(valid, prefix)


def within_prefix(
    valid: Bool[Tensor, "batch tokens"], prefix: Bool[Tensor, "batch tokens"]
) -> Bool[Tensor, "batch 1 tokens tokens"]:
    """Pairs inside the prefix. Gemma 2's window does not count for them (`unwindowed`)."""
    given = prefix & valid
    return given[:, None, :, None] & given[:, None, None, :]


def whole_prompt(valid: Bool[Tensor, "batch tokens"]) -> Bool[Tensor, "batch 1 tokens tokens"]:
    """The mask of a prompt that is all prefix, as it is when an answer is to be written."""
    return prefix_sees_all(valid, torch.ones_like(valid))
