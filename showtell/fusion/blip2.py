"""BLIP-2 (Li et al. 2023): a frozen tower and a frozen language model, and 32 learned questions between them.

    224 x 224 -> EVA ViT-g/14 -> 257 tokens -> Q-Former, 32 queries -> one matrix -> 32 words before the text

Only the Q-Former (`qformer.py`) and the matrix were trained. The tower is a plain ViT whose class token is asked like
the patches, after the last norm; its q, k and v are fused on disk. The decoder is OPT (`text/opt.py`). The published
models on FLAN-T5 have an encoder-decoder and are refused.

    blip2-opt-2.7b    ViT-g/14 (39 layers, dim 1408), Q-Former of 12 layers, OPT 2.7B
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf
from showtell.core.keymap import KeyTable, Squeezed, Target, prefixed
from showtell.fusion.hf_parts import open_vlm, read_model
from showtell.fusion.qformer import QFormer, QFormerConfig
from showtell.fusion.reader import Reader
from showtell.text import opt
from showtell.vision.hf_vision import side, sides
from showtell.vision.vit import VisionTransformer, ViTConfig

TOWER: dict[str, Target] = {
    "embeddings.class_embedding": Squeezed("class_token", 1),
    "embeddings.position_embedding": Squeezed("positions", 1),
    "embeddings.patch_embedding": "patches.projection",
    "encoder.layers.{}.layer_norm1": "blocks.{}.norm1",
    "encoder.layers.{}.layer_norm2": "blocks.{}.norm2",
    "encoder.layers.{}.self_attn.qkv": ("blocks.{}.attn.q", "blocks.{}.attn.k", "blocks.{}.attn.v"),
    "encoder.layers.{}.self_attn.projection": "blocks.{}.attn.o",
    "encoder.layers.{}.mlp.fc1": "blocks.{}.mlp.up",
    "encoder.layers.{}.mlp.fc2": "blocks.{}.mlp.down",
    "post_layernorm": "norm",
}
QUESTIONS: dict[str, Target] = {
    "layernorm": "norm",
    "encoder.layer.{}.attention.attention.query": "layers.{}.attn.q",
    "encoder.layer.{}.attention.attention.key": "layers.{}.attn.k",
    "encoder.layer.{}.attention.attention.value": "layers.{}.attn.v",
    "encoder.layer.{}.attention.output.dense": "layers.{}.attn.o",
    "encoder.layer.{}.attention.output.LayerNorm": "layers.{}.norm_attn",
    "encoder.layer.{}.crossattention.attention.query": "layers.{}.look.attn.q",
    "encoder.layer.{}.crossattention.attention.key": "layers.{}.look.attn.k",
    "encoder.layer.{}.crossattention.attention.value": "layers.{}.look.attn.v",
    "encoder.layer.{}.crossattention.output.dense": "layers.{}.look.attn.o",
    "encoder.layer.{}.crossattention.output.LayerNorm": "layers.{}.look.norm",
    "encoder.layer.{}.intermediate_query.dense": "layers.{}.mlp.up",
    "encoder.layer.{}.output_query.dense": "layers.{}.mlp.down",
    "encoder.layer.{}.output_query.LayerNorm": "layers.{}.norm_mlp",
}
KEYS: KeyTable = {
    **prefixed(TOWER, theirs="vision_model.", ours="vision."),
    "query_tokens": Squeezed("qformer.queries", 1),
    **prefixed(QUESTIONS, theirs="qformer.", ours="qformer."),
    "language_projection": "connector",
    **prefixed(opt.KEYS, theirs="language_model.", ours="decoder."),
}


@dataclass(frozen=True, kw_only=True)
class Blip2Config:
    """A tower, a Q-Former and a decoder.

    vision: the tower.
    qformer: the questions between.
    decoder: the language model.
    image_token_id: placeholder id that image tokens replace.
    """

    vision: ViTConfig
    qformer: QFormerConfig
    decoder: opt.OPTConfig
    image_token_id: int


class Blip2(Reader):
    """Pictures and ids to hidden states."""

    def __init__(self, config: Blip2Config):
        super().__init__()
        self.config = config
        self.image_token_id = config.image_token_id
        self.vision = VisionTransformer(config.vision)
        self.qformer = QFormer(config.qformer)
        self.connector = nn.Linear(config.qformer.dim, config.decoder.dim)
        self.decoder = opt.OPT(config.decoder)

    def image_tokens(self, pixels: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images queries dim"]:
        """Words of each picture."""
        seen = self.vision(pixels)
        return self.connector(self.qformer(torch.cat([seen.prefix, seen.tokens], dim=1)))


def config_from_hf(data: Mapping[str, Any]) -> Blip2Config:
    """The model that a BLIP-2 `config.json` describes."""
    fields = Fields(data)
    fields.only("use_decoder_only_language_model", True)
    text = fields.inner("text_config").data
    Fields(text, "text_config.").only("model_type", "opt")
    vision = tower_from_hf(fields.inner("vision_config").data)
    return Blip2Config(
        vision=vision,
        qformer=qformer_from_hf(data, vision.dim),
        decoder=opt.config_from_hf(text),
        image_token_id=fields.integer("image_token_index", 50_265),
    )


def tower_from_hf(data: Mapping[str, Any]) -> ViTConfig:
    """The tower that `vision_config` describes."""
    fields = Fields(data, "vision_config.")
    return ViTConfig(
        image_size=sides(data, "image_size", 224),
        patch_size=side(data, "patch_size", 14),
        dim=fields.size("hidden_size", 1408),
        depth=fields.size("num_hidden_layers", 39),
        heads=fields.size("num_attention_heads", 16),
        mlp_dim=fields.size("intermediate_size", 6144),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-6),
        class_token=True,
        qkv_bias=fields.flag("qkv_bias", True),
    )


def qformer_from_hf(data: Mapping[str, Any], context_dim: int) -> QFormerConfig:
    """The Q-Former that `qformer_config` describes."""
    fields = Fields(Fields(data).inner("qformer_config").data, "qformer_config.")
    fields.only("use_qformer_text_input", False)
    fields.only("encoder_hidden_size", context_dim)
    return QFormerConfig(
        dim=fields.size("hidden_size", 768),
        depth=fields.size("num_hidden_layers", 12),
        heads=fields.size("num_attention_heads", 12),
        mlp_dim=fields.size("intermediate_size", 3072),
        queries=Fields(data).size("num_query_tokens", 32),
        context_dim=context_dim,
        cross_every=fields.size("cross_attention_frequency", 2),
        activation=fields.choice("hidden_act", ACTIVATIONS, "gelu"),
        norm_eps=fields.number("layer_norm_eps", 1e-12),
    )


def load(folder: str | Path) -> Blip2:
    """A folder in Hugging Face layout."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    return open_vlm(lambda: Blip2(config), config.decoder, tensors, KEYS, str(folder))


def to_hf(model: Blip2) -> dict[str, Tensor]:
    """The weights under their published names."""
    return names_for_hf(model, KEYS)
