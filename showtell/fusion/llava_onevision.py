"""LLaVA-OneVision (Li et al. 2024): LLaVA-NeXT on SigLIP and Qwen2, for a picture, several, and video.

* SigLIP so400m/14 384, 27 x 27 tokens as they leave the last block, before the last norm (`vision_feature_layer` -1,
  `vision_feature_select_strategy` "full": there is no class token to drop).
* 36 grids, up to 6 x 6 tiles; more than nine tiles' worth of detail is shrunk ("anyres_max_9", see `anyres.py`).
* A prompt with several pictures shows each once, on a square: 729 words and a newline (`plan_single`).
* A video is frames of 14 x 14 words: each 27 x 27 is shrunk to half, bilinearly, and one newline ends the whole.

    llava-onevision-qwen2-0.5b-ov    Qwen2 0.5B
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.fusion import llava
from showtell.fusion.anyres import AnyResVLM, AnyResVLMConfig
from showtell.fusion.hf_parts import decoder_from_hf, image_token, read_model
from showtell.fusion.llava_next import grids_of, keys, open_anyres, to_hf

__all__ = ["config_from_hf", "frame_tokens", "keys", "load", "to_hf"]

GRIDS = tuple((384 * rows, 384 * cols) for rows in range(1, 7) for cols in range(1, 7))


def config_from_hf(data: Mapping[str, Any]) -> AnyResVLMConfig:
    """The model that a LLaVA-OneVision `config.json` describes."""
    vision = llava.llava_tower(data, layer=-1, strategy="full")
    return AnyResVLMConfig(
        vision=vision,
        connector=llava.llava_connector(data),
        decoder=decoder_from_hf(data),
        image_token_id=image_token(data, 151_646),
        grids=grids_of(data, vision, GRIDS),
        most_tiles=most_tiles(data),
    )


QWEN2_0_5B = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 152_000,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
}
SO400M_384 = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
    "vision_use_head": False,
}


def most_tiles(data: Mapping[str, Any]) -> int:
    """The 9 of "anyres_max_9"."""
    name = Fields(data).data.get("vision_aspect_ratio", "anyres_max_9")
    match = re.fullmatch(r"anyres_max_([1-9]\d*)", str(name))
    if match is None:
        raise ConfigError(f"vision_aspect_ratio: {name!r} is not supported; 'anyres_max_' and a number is")
    return int(match[1])


ONEVISION_QWEN2_0_5B = config_from_hf({"vision_config": SO400M_384, "text_config": QWEN2_0_5B})


def load(folder: str | Path) -> AnyResVLM:
    """A folder in Hugging Face layout, old or new."""
    data, tensors = read_model(folder)
    return open_anyres(config_from_hf(data), tensors, str(folder))


def frame_tokens(model: AnyResVLM, pixels: Float[Tensor, "frames 3 height width"]) -> Float[Tensor, "1 tokens dim"]:
    """Words of one video."""
    side = model.config.vision.grid
    tokens = model.connector(model.vision(pixels).tokens)  # (frames, rows * cols, dim)
    planes = tokens.transpose(1, 2).unflatten(2, side)  # (frames, dim, rows, cols)
    half = [math.ceil(length / 2) for length in side]
    small = F.interpolate(planes, half, mode="bilinear").flatten(2).transpose(1, 2)
    return torch.cat([small.flatten(0, 1), model.image_newline[None]])[None]
