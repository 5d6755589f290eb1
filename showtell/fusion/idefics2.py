"""Idefics2 (Laurençon et al. 2024): pictures keep their shape, and every one becomes 64 words.

    picture, 378 to 980 pixels a side -> SigLIP so400m/14 over its own rows and columns -> gated MLP -> perceiver -> 64
    words among the words of Mistral 7B

The tower looks positions up by fraction of the picture, padding is never looked at (`vision/bucketed.py`; a patch
counts if all of it is picture). The perceiver (`resampler.py`) has RMS norms, grouped queries and a gated MLP, and
works in the decoder's width. Compare `idefics3.py`, which keeps all tokens and folds them instead.

    <fake_token_around_image> 64 x <image> <fake_token_around_image>            a picture cut in four: five such runs
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf
from showtell.core.keymap import KeyTable, Target, prefixed
from showtell.core.mlp import GatedMLP
from showtell.fusion.hf_parts import decoder_from_hf, decoder_keys, image_token, moved, open_vlm, read_model
from showtell.fusion.image_plan import ImageLayout, Piece
from showtell.fusion.reader import Reader
from showtell.fusion.resampler import Resampler, ResamplerConfig
from showtell.images.tiles import TilePlan
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision import siglip
from showtell.vision.bucketed import BucketedViT, patches_seen
from showtell.vision.vit import ViTConfig

AROUND = "<fake_token_around_image>"
RESAMPLER: dict[str, Target] = {
    "latents": "latents",
    "norm": "norm",
    "layers.{}.input_latents_norm": "layers.{}.norm_latents",
    "layers.{}.input_context_norm": "layers.{}.norm_context",
    "layers.{}.post_attention_layernorm": "layers.{}.norm_mlp",
    "layers.{}.self_attn.q_proj": "layers.{}.attn.q",
    "layers.{}.self_attn.k_proj": "layers.{}.attn.k",
    "layers.{}.self_attn.v_proj": "layers.{}.attn.v",
    "layers.{}.self_attn.o_proj": "layers.{}.attn.o",
    "layers.{}.mlp.gate_proj": "layers.{}.mlp.gate",
    "layers.{}.mlp.up_proj": "layers.{}.mlp.up",
    "layers.{}.mlp.down_proj": "layers.{}.mlp.down",
}
BRIDGE: dict[str, Target] = {
    "modality_projection.gate_proj": "connector.gate",
    "modality_projection.up_proj": "connector.up",
    "modality_projection.down_proj": "connector.down",
    **prefixed(RESAMPLER, theirs="perceiver_resampler.", ours="resampler."),
}


@dataclass(frozen=True, kw_only=True)
class Idefics2Config:
    """A tower, a bridge and a decoder.

    vision: the tower.
    resampler: brings a picture down to a few words.
    decoder: the language model; its MLP's sizes and activation are also those of the bridge.
    image_token_id: placeholder id that image tokens replace.
    """

    vision: ViTConfig
    resampler: ResamplerConfig
    decoder: DecoderConfig
    image_token_id: int


class Idefics2(Reader):
    """Pictures of any shape on a common canvas, and ids, to hidden states."""

    def __init__(self, config: Idefics2Config):
        super().__init__()
        self.config = config
        self.image_token_id = config.image_token_id
        self.vision = BucketedViT(config.vision)
        decoder = config.decoder
        self.connector = GatedMLP(config.vision.dim, decoder.mlp_dim, decoder.activation, out=decoder.dim)
        self.resampler = Resampler(config.resampler)
        self.decoder = Decoder(decoder)

    def image_tokens(
        self,
        pixels: Float[Tensor, "pictures 3 height width"],
        mask: Bool[Tensor, "pictures height width"] | None = None,
    ) -> Float[Tensor, "pictures latents dim"]:
        """Words of each picture; `mask` is True where the canvas shows it, None = everywhere."""
        seen = None if mask is None else patches_seen(mask, self.config.vision.patch_size, whole=True)
        tokens = self.connector(self.vision(pixels, seen).tokens)
        return self.resampler(tokens, None if seen is None else seen.flatten(1))


def config_from_hf(data: Mapping[str, Any]) -> Idefics2Config:
    """The model that an Idefics2 `config.json` describes."""
    decoder = decoder_from_hf(
        {**data, "text_config": {"model_type": "mistral", **Fields(data).inner("text_config").data}}
    )
    tower = {"patch_size": 32, **Fields(data).inner("vision_config").data, "vision_use_head": False}
    return Idefics2Config(
        vision=siglip.config_from_hf(tower),
        resampler=resampler_from_hf(data, decoder),
        decoder=decoder,
        image_token_id=image_token(data, 32_001),
    )


def resampler_from_hf(data: Mapping[str, Any], decoder: DecoderConfig) -> ResamplerConfig:
    """The perceiver that `perceiver_config` describes; where its width is not the decoder's, the decoder's counts."""
    fields = Fields(Fields(data).inner("perceiver_config").data, "perceiver_config.")
    own = fields.size("hidden_size", 4096) == decoder.dim
    return ResamplerConfig(
        dim=decoder.dim,
        latents=fields.size("resampler_n_latents", 64),
        depth=fields.size("resampler_depth", 3),
        heads=fields.size("resampler_n_heads", 16),
        kv_heads=fields.size("num_key_value_heads", 4),
        head_dim=fields.size("resampler_head_dim", 96),
        mlp_dim=4 * decoder.dim,
        gated=True,
        activation=fields.choice("hidden_act", ACTIVATIONS, "silu"),
        norm="rms",
        norm_eps=fields.number("rms_norm_eps", 1e-6) if own else decoder.norm_eps,
    )


def keys(config: Idefics2Config) -> KeyTable:
    """The table of names for these parts."""
    return {
        **prefixed(siglip.KEYS, theirs="model.vision_model.", ours="vision."),
        **prefixed(BRIDGE, theirs="model.connector."),
        **prefixed(moved(decoder_keys(config.decoder), "model.", "model.text_model."), ours="decoder."),
    }


def load(folder: str | Path) -> Idefics2:
    """A folder in Hugging Face layout."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    return open_vlm(lambda: Idefics2(config), config.decoder, tensors, keys(config), str(folder))


def to_hf(model: Idefics2) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, keys(model.config))


def layout(plan: TilePlan, latents: int) -> ImageLayout:
    """How a picture, cut in four or whole, stands in the prompt."""
    return ImageLayout(tuple(Piece(AROUND, latents) for _ in plan.chains), AROUND)
