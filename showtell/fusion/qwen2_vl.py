"""Qwen2-VL and Qwen2.5-VL (Wang et al. 2024; Bai et al. 2025): pictures at their own size, positions in three kinds.

    picture -> sides rounded to multiples of 28 -> patches of 14 -> NativeViT, 2 x 2 merged -> one word a 28 x 28 pixels

    <|vision_start|> <|image_pad|> x n <|vision_end|>

The tower is `vision/native_vit.py` (its two settings in `vision/qwen2_vl.py`), the positions are `mrope.py`, the
decoder is Qwen2 with `rope_sections`. The bridge is the last layer of the tower.

    Qwen2-VL-2B     Qwen2 1.5B, sections 16 24 24, tied         Qwen2.5-VL-3B    Qwen2.5 3B, sections 16 24 24, tied
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.core.hf_config import Fields
from showtell.core.hf_folder import names_for_hf
from showtell.core.keymap import KeyTable, prefixed
from showtell.fusion.hf_parts import image_token, in_one_layout, open_vlm, read_model
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.mrope import axis_positions
from showtell.fusion.reader import Reader
from showtell.text import qwen
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision import qwen2_vl as tower
from showtell.vision.native_vit import Grid, NativeViT, NativeViTConfig

LAYOUTS = (("model.language_model.", "model."), ("model.visual.", "visual."))


@dataclass(frozen=True, kw_only=True)
class QwenVLConfig:
    """A tower and a decoder.

    vision: the tower; its merger is the bridge.
    decoder: the language model.
    image_token_id: placeholder id that image tokens replace.
    """

    vision: NativeViTConfig
    decoder: DecoderConfig
    image_token_id: int

    def __post_init__(self) -> None:
        if self.vision.out_dim != self.decoder.dim:
            raise ConfigError(f"the tower writes tokens of {self.vision.out_dim}, the decoder reads {self.decoder.dim}")


class QwenVL(Reader):
    """Patches of pictures of any size, and ids, to hidden states."""

    def __init__(self, config: QwenVLConfig):
        super().__init__()
        self.config = config
        self.image_token_id = config.image_token_id
        self.vision = NativeViT(config.vision)
        self.decoder = Decoder(config.decoder)

    def image_tokens(
        self, patches: Float[Tensor, "patches values"], grids: Sequence[Grid]
    ) -> Float[Tensor, "1 tokens dim"]:
        """Words of all pictures, one after the other."""
        return self.vision(patches, grids)[None]

    def positions(
        self, ids: Int[Tensor, "batch tokens"], valid: Bool[Tensor, "batch tokens"], grids: Sequence[Grid]
    ) -> Int[Tensor, "3 batch tokens"]:
        """Of a padded batch; `grids` in patches, as for `image_tokens`."""
        merge = self.config.vision.merge
        merged = [Grid(grid.frames, grid.rows // merge, grid.cols // merge) for grid in grids]
        return axis_positions(ids, valid, self.image_token_id, merged)


def config_from_hf(data: Mapping[str, Any]) -> QwenVLConfig:
    """The model that a Qwen2-VL or Qwen2.5-VL `config.json` describes."""
    return QwenVLConfig(
        vision=tower.config_from_hf(Fields(data).inner("vision_config").data),
        decoder=decoder_from_hf(data),
        image_token_id=image_token(data, 151_655),
    )


def decoder_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """The decoder; older files keep its fields beside `vision_config` instead of in a `text_config`."""
    text = dict(Fields(data).inner("text_config").data or data)
    name = "rope_parameters" if text.get("rope_parameters") else "rope_scaling"
    rope = dict(Fields(text).inner(name).data)
    sections = rope.pop("mrope_section", None)
    if not isinstance(sections, list | tuple) or not all(isinstance(pairs, int) for pairs in sections):
        raise ConfigError(f"{name}.mrope_section: expected how many pairs turn by time, row, column, got {sections!r}")
    for kind in ("rope_type", "type"):
        rope[kind] = "default" if rope.get(kind) in (None, "mrope") else rope[kind]
    tied = bool(text.get("tie_word_embeddings") or data.get("tie_word_embeddings"))
    text |= {name: rope, "model_type": "qwen2_vl_text", "tie_word_embeddings": tied}
    config = replace(qwen.config_from_hf(text), rope_sections=tuple(sections))
    if 2 * sum(sections) != (config.head_dim or config.dim // config.heads):
        raise ConfigError(f"{name}.mrope_section: {sections!r} are not all the pairs of a head")
    return config


VIT_H = {"depth": 32, "num_heads": 16, "patch_size": 14}
FULL = [7, 15, 23, 31]
QWEN2_VL_2B = config_from_hf(
    {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": True,
        "vision_config": VIT_H | {"embed_dim": 1280, "mlp_ratio": 4, "hidden_size": 1536},
    }
)
QWEN2_5_VL_3B = config_from_hf(
    {
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": True,
        "vision_config": VIT_H
        | {"hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048, "fullatt_block_indexes": FULL},
    }
)


def keys(config: QwenVLConfig) -> KeyTable:
    """The table of names for these parts."""
    return {
        **prefixed(tower.keys(config.vision), theirs="visual.", ours="vision."),
        **prefixed(qwen.KEYS, ours="decoder."),
    }


def load(folder: str | Path) -> QwenVL:
    """A folder in Hugging Face layout, old or new."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    named = in_one_layout(tensors, LAYOUTS)
    return open_vlm(lambda: QwenVL(config), config.decoder, named, keys(config), str(folder))


def to_hf(model: QwenVL) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))


def layout(extent: Frame, config: NativeViTConfig) -> ImageLayout:
    """How a picture stands between its two marks; `extent` is its frame after resizing (`images/native.py`)."""
    grid = Grid(1, extent.height // config.patch_size, extent.width // config.patch_size)
    return ImageLayout((Piece("", config.tokens(grid)),))
