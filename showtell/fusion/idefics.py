"""Idefics (Laurençon et al. 2023), the published Flamingo: a frozen Llama that looks aside at CLIP's pictures.

`CrossVLM` with these choices: CLIP ViT-H/14 (all tokens, its class token too, before the last norm), a perceiver of 64
latents, a look before every k-th block, Llama 7B or 65B. The few words that the text never had (<image>,
<fake_token_around_image>) have embeddings and output rows of their own on disk; here they are the last rows of one
table each. A token may look at the last picture before it.

    idefics-9b    Llama 7B, a look before every 4th block, one gate a channel, queries and keys normalised
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.hf_config import Fields
from showtell.core.hf_folder import ACTIVATIONS, names_for_hf
from showtell.core.keymap import KeyTable, Target, prefixed
from showtell.fusion.gated_xattn import GatedCrossConfig
from showtell.fusion.hf_parts import open_vlm, read_model
from showtell.fusion.resampler import ResamplerConfig
from showtell.fusion.xattn_vlm import CrossVLM, CrossVLMConfig
from showtell.text import llama
from showtell.text.decoder import DecoderConfig
from showtell.vision import clip_vit
from showtell.vision.vit import ViTConfig

# (table of the text's words, table of the few that were added): joined when read, parted when written.
JOINED = (
    ("model.embed_tokens.weight", "model.embed_tokens.additional_embedding.weight"),
    ("lm_head.weight", "lm_head.additional_fc.weight"),
)
# What `vision_config` means where it is silent.
TOWER: dict[str, Any] = {
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "hidden_act": "gelu",
}
LOOKS: dict[str, Target] = {
    "alpha_cross_attn": "gate1",
    "alpha_dense": "gate2",
    "input_layernorm": "norm1",
    "post_attention_layernorm": "norm2",
    "cross_attn.q_proj": "attn.q",
    "cross_attn.k_proj": "attn.k",
    "cross_attn.v_proj": "attn.v",
    "cross_attn.o_proj": "attn.o",
    "cross_attn.q_layer_norm": "attn.q_norm",
    "cross_attn.k_layer_norm": "attn.k_norm",
    "cross_attn.rotary_emb.inv_freq": None,  # in older files; looks have no positions
    "mlp.gate_proj": "mlp.gate",
    "mlp.up_proj": "mlp.up",
    "mlp.down_proj": "mlp.down",
}
RESAMPLER: dict[str, Target] = {
    "latents": "latents",
    "layer_norm": "norm",
    "blocks.{}.0.context_layer_norm": "layers.{}.norm_context",
    "blocks.{}.0.latents_layer_norm": "layers.{}.norm_latents",
    "blocks.{}.0.q_layer_norm": "layers.{}.attn.q_norm",
    "blocks.{}.0.k_layer_norm": "layers.{}.attn.k_norm",
    "blocks.{}.0.q_proj": "layers.{}.attn.q",
    "blocks.{}.0.k_proj": "layers.{}.attn.k",
    "blocks.{}.0.v_proj": "layers.{}.attn.v",
    "blocks.{}.0.output_proj": "layers.{}.attn.o",
    "blocks.{}.1.ln": "layers.{}.norm_mlp",
    "blocks.{}.1.fc": "layers.{}.mlp.up",
    "blocks.{}.1.c_proj": "layers.{}.mlp.down",
}
KEYS: KeyTable = {
    **prefixed(clip_vit.KEYS, theirs="model.vision_model.", ours="vision."),
    **prefixed(RESAMPLER, theirs="model.perceiver_resampler.", ours="resampler."),
    **prefixed(LOOKS, theirs="model.gated_cross_attn_layers.{}.", ours="cross.{}."),
    **prefixed(llama.KEYS, ours="decoder."),
}


def config_from_hf(data: Mapping[str, Any]) -> CrossVLMConfig:
    """The model that an Idefics `config.json` describes."""
    fields = Fields(data)
    vision, decoder = tower_from_hf(data), decoder_from_hf(data)
    return CrossVLMConfig(
        vision=vision,
        resampler=resampler_from_hf(data, vision.dim) if fields.flag("use_resampler", False) else None,
        cross=GatedCrossConfig(
            dim=decoder.dim,
            heads=decoder.heads,
            mlp_dim=decoder.mlp_dim,
            context_dim=vision.dim,
            activation=decoder.activation,
            norm_eps=decoder.norm_eps,
            qk_norm=fields.flag("qk_layer_norms", False),
            per_channel=fields.choice("alpha_type", {"vector": True, "float": False}, "float"),
        ),
        every=fields.size("cross_layer_interval", 1),
        decoder=decoder,
    )


def tower_from_hf(data: Mapping[str, Any]) -> ViTConfig:
    """A CLIP tower; `vision_config` names its width `embed_dim`, and has ViT-H/14 where it is silent."""
    inner = {**TOWER, **Fields(data).inner("vision_config").data}
    return clip_vit.config_from_hf({**inner, "hidden_size": inner.get("embed_dim", inner.get("hidden_size", 768))})


def resampler_from_hf(data: Mapping[str, Any], dim: int) -> ResamplerConfig:
    """The perceiver that `perceiver_config` describes."""
    fields = Fields(Fields(data).inner("perceiver_config").data, "perceiver_config.")
    return ResamplerConfig(
        dim=dim,
        latents=fields.size("resampler_n_latents", 64),
        depth=fields.size("resampler_depth", 6),
        heads=fields.size("resampler_n_heads", 16),
        head_dim=fields.size("resampler_head_dim", 96),
        mlp_dim=4 * dim,
        qk_norm=fields.flag("qk_layer_norms_perceiver", False),
    )


def decoder_from_hf(data: Mapping[str, Any]) -> DecoderConfig:
    """A Llama whose vocabulary ends with the added words."""
    fields = Fields(data)
    fields.choice("hidden_act", ACTIVATIONS, "silu")
    words = fields.size("vocab_size", 32_000) + fields.integer("additional_vocab_size", 0)
    sizes = {"hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32, "num_attention_heads": 32}
    return llama.config_from_hf({**sizes, **data, "vocab_size": words})


def load(folder: str | Path) -> CrossVLM:
    """A folder in Hugging Face layout."""
    data, tensors = read_model(folder)
    config = config_from_hf(data)
    for words, added in JOINED:
        if words in tensors and added in tensors:
            tensors[words] = torch.cat([tensors[words], tensors.pop(added)])
    return open_vlm(lambda: CrossVLM(config), config.decoder, tensors, KEYS, str(folder))


def to_hf(model: CrossVLM, added: int) -> dict[str, Tensor]:
    """The weights under their published names; the last `added` words in tables of their own."""
    tensors = names_for_hf(model, KEYS)
    for words, extra in JOINED:
        if added and words in tensors:
            whole = tensors[words]
            tensors[words], tensors[extra] = whole[:-added], whole[-added:]
    return tensors
