"""Idefics3, SmolVLM and SmolVLM2 (Laurençon et al. 2024; Marafioti et al. 2025): many tiles, few tokens each.

    picture -> tiles of 512 and one small whole -> SigLIP, 32 x 32 tokens each -> pixel shuffle by 4 -> 64 wide tokens
            -> one matrix without bias -> 64 words a tile, announced by their place

    <fake_token_around_image><row_1_col_1> 64 x <image> <fake_token_around_image><row_1_col_2> 64 x <image> \\n
    ...
    \\n <fake_token_around_image><global-img> 64 x <image> <fake_token_around_image>

The tower is SigLIP, except that positions are looked up by fraction of the tile (`vision/bucketed.py`). The decoder is
any Llama (SmolLM2 in SmolVLM). SmolVLM2 reads video as pictures that are not split.

    SmolVLM-256M     SigLIP B/16 512, factor 4, SmolLM2-135M           SmolVLM-500M   the same tower, SmolLM2-360M
    Idefics3-8B      SigLIP so400m/14 364, factor 2, Llama-3.1 8B
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf
from showtell.core.keymap import KeyTable, prefixed
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.hf_parts import decoder_from_hf, decoder_keys, image_token, moved, open_vlm, read_model
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.tiles import TilePlan
from showtell.text import llama
from showtell.text.decoder import DecoderConfig
from showtell.vision import siglip
from showtell.vision.bucketed import BucketedViT, patches_seen
from showtell.vision.vit import ViTConfig

# What `vision_config` means where it is silent.
TOWER: dict[str, Any] = {"hidden_size": 1152, "num_attention_heads": 16, "patch_size": 32, "vision_use_head": False}
AROUND, WHOLE = "<fake_token_around_image>", "<global-img>"


class Idefics3(PrefixVLM):
    """`PrefixVLM` whose pictures are tiles that may be partly empty."""

    def __init__(self, config: PrefixVLMConfig):
        super().__init__(config)
        self.vision = BucketedViT(config.vision)

    def image_tokens(
        self,
        pixels: Float[Tensor, "tiles 3 height width"],
        mask: Bool[Tensor, "tiles height width"] | None = None,
    ) -> Float[Tensor, "tiles tokens dim"]:
        """Connected tokens of each tile; `mask` is True where a tile shows its picture, None = everywhere."""
        seen = None if mask is None else patches_seen(mask, self.config.vision.patch_size, whole=False)
        return self.connector(self.vision(pixels, seen).tokens)


def config_from_hf(data: Mapping[str, Any]) -> PrefixVLMConfig:
    """The model that an Idefics3 or SmolVLM `config.json` describes."""
    fields = Fields(data)
    return PrefixVLMConfig(
        vision=tower_from_hf(data),
        connector=ConnectorConfig(kind="linear", bias=False, shuffle=fields.size("scale_factor", 2)),
        decoder=decoder_from_hf(data),
        image_token_id=image_token(data, 128_257),
    )


def tower_from_hf(data: Mapping[str, Any]) -> ViTConfig:
    """The tower; `vision_config` as far as the file says, then what the family takes for granted."""
    return siglip.config_from_hf({**TOWER, **Fields(data).inner("vision_config").data})


def smolvlm(decoder: DecoderConfig) -> PrefixVLMConfig:
    """SigLIP B/16 512 folded by 4, before a SmolLM2 with 128 more words and an output projection of its own."""
    return PrefixVLMConfig(
        vision=replace(siglip.BASE_16_512, pooling="mean"),
        connector=ConnectorConfig(kind="linear", bias=False, shuffle=4),
        decoder=replace(decoder, vocab_size=49_280, tied=False),
        image_token_id=49_190,
    )


SMOLVLM_256M = smolvlm(llama.SMOLLM2_135M)
SMOLVLM_500M = smolvlm(replace(llama.SMOLLM2_135M, dim=960, depth=32, heads=15, kv_heads=5, mlp_dim=2560))


def keys(config: PrefixVLMConfig) -> KeyTable:
    """The table of names for these parts."""
    bridge = "connector.bridge" if config.connector.shuffle > 1 else "connector"
    return {
        **prefixed(siglip.KEYS, theirs="model.vision_model.", ours="vision."),
        "model.connector.modality_projection.proj": bridge,
        **prefixed(moved(decoder_keys(config.decoder), "model.", "model.text_model."), ours="decoder."),
    }


def load(folder: str | Path) -> Idefics3:
    """A folder in Hugging Face layout."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    return open_vlm(lambda: Idefics3(config), config.decoder, tensors, keys(config), str(folder))


def to_hf(model: Idefics3) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))


def tokens_per_tile(config: PrefixVLMConfig) -> int:
    """Words that one tile becomes."""
    rows, cols = config.vision.grid
    return rows * cols // config.connector.shuffle**2


def layout(plan: TilePlan, tokens: int) -> ImageLayout:
    """How the tiles of a picture stand in the prompt; `tokens` a tile."""
    pieces = [
        Piece(("\n" if row and not col else "") + f"{AROUND}<row_{row + 1}_col_{col + 1}>", tokens)
        for row in range(plan.rows)
        for col in range(plan.columns)
    ]
    whole = Piece(("\n\n" if pieces else "") + AROUND + WHOLE, tokens)
    return ImageLayout((*pieces, whole), AROUND)
