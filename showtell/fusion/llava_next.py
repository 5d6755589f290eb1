"""LLaVA-NeXT, also called LLaVA-1.6 (Liu et al. 2024): LLaVA-1.5 that sees a picture whole and in up to four tiles.

Tower, bridge and decoder are LLaVA's (`llava.py`); what is new is AnyRes (`anyres.py`): the grid of 336-pixel tiles
that suits the picture, the margins cut out of its tokens, and a learned vector that ends each row. A picture costs 576
words for the whole view and up to 2,304 + 48 for its detail.

    llava-v1.6-mistral-7b    grids 1x2, 2x1, 2x2, 3x1, 1x3 of 336 pixels
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf
from showtell.core.keymap import KeyTable
from showtell.fusion import llava
from showtell.fusion.anyres import AnyResVLM, AnyResVLMConfig
from showtell.fusion.hf_parts import LAYOUTS, decoder_from_hf, image_token, in_one_layout, open_vlm, read_model
from showtell.fusion.prefix_vlm import PrefixVLMConfig
from showtell.vision.vit import ViTConfig

GRIDS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def config_from_hf(data: Mapping[str, Any]) -> AnyResVLMConfig:
    """The model that a LLaVA-NeXT `config.json` describes."""
    Fields(data).only("use_image_newline_parameter", True)
    vision = llava.llava_tower(data, layer=-2, strategy="default")
    return AnyResVLMConfig(
        vision=vision,
        connector=llava.llava_connector(data),
        decoder=decoder_from_hf(data),
        image_token_id=image_token(data, 32_000),
        grids=grids_of(data, vision, GRIDS),
    )


def grids_of(
    data: Mapping[str, Any], vision: ViTConfig, default: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """(height, width) of every grid; ConfigError where one is not whole tiles of a square tower."""
    height, width = vision.image_size
    named = data.get("image_grid_pinpoints") or default
    pairs = isinstance(named, list | tuple) and all(isinstance(grid, list | tuple) and len(grid) == 2 for grid in named)
    if not pairs or not all(isinstance(n, int) and n > 0 and n % height == 0 for grid in named for n in grid):
        raise ConfigError(f"image_grid_pinpoints: {named!r} are not whole tiles, (height, width), of {height} pixels")
    if height != width:
        raise ConfigError(f"vision_config.image_size: tiles are square here, not {height} x {width}")
    return tuple((h, w) for h, w in named)


LLAVA_1_6_MISTRAL_7B = AnyResVLMConfig(
    vision=llava.LLAVA_1_5_7B.vision,
    connector=llava.LLAVA_1_5_7B.connector,
    decoder=replace(llava.VICUNA_7B, kv_heads=8, mlp_dim=14_336, rope_base=1_000_000.0),
    image_token_id=32_000,
    grids=GRIDS,
)


def keys(config: PrefixVLMConfig) -> KeyTable:
    """The table of names for these parts."""
    return {"image_newline": "image_newline", **llava.keys(config)}


def load(folder: str | Path) -> AnyResVLM:
    """A folder in Hugging Face layout, old or new."""
    data, tensors = read_model(folder)
    return open_anyres(config_from_hf(data), tensors, str(folder))


def open_anyres(config: AnyResVLMConfig, tensors: Mapping[str, Tensor], where: str) -> AnyResVLM:
    named = in_one_layout(tensors, LAYOUTS)
    return open_vlm(lambda: AnyResVLM(config), config.decoder, named, keys(config), where)


def to_hf(model: AnyResVLM) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))
