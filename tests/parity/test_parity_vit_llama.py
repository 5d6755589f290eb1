"""Our one vision transformer and one decoder against `transformers`, on files it saved, every parameter redrawn.

The tables of names stand here until the family files exist.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, ViTModel
from transformers import ViTConfig as ReferenceViTConfig

from showtell.core.checkpoint import fill_module
from showtell.core.keymap import map_keys
from showtell.core.masks import causal_mask
from showtell.text.decoder import Decoder, DecoderConfig
from showtell.vision.vit import VisionTransformer, ViTConfig

VIT_KEYS = {
    "embeddings.cls_token": "class_token",
    "embeddings.position_embeddings": "positions",
    "embeddings.patch_embeddings.projection": "patches.projection",
    "encoder.layer.{}.attention.attention.query": "blocks.{}.attn.q",
    "encoder.layer.{}.attention.attention.key": "blocks.{}.attn.k",
    "encoder.layer.{}.attention.attention.value": "blocks.{}.attn.v",
    "encoder.layer.{}.attention.output.dense": "blocks.{}.attn.o",
    "encoder.layer.{}.layernorm_before": "blocks.{}.norm1",
    "encoder.layer.{}.layernorm_after": "blocks.{}.norm2",
    "encoder.layer.{}.intermediate.dense": "blocks.{}.mlp.up",
    "encoder.layer.{}.output.dense": "blocks.{}.mlp.down",
    "layernorm": "norm",
}
LLAMA_KEYS = {
    "model.embed_tokens": "embedding",
    "model.layers.{}.self_attn.q_proj": "blocks.{}.attn.q",
    "model.layers.{}.self_attn.k_proj": "blocks.{}.attn.k",
    "model.layers.{}.self_attn.v_proj": "blocks.{}.attn.v",
    "model.layers.{}.self_attn.o_proj": "blocks.{}.attn.o",
    "model.layers.{}.input_layernorm": "blocks.{}.norm1",
    "model.layers.{}.post_attention_layernorm": "blocks.{}.norm2",
    "model.layers.{}.mlp.gate_proj": "blocks.{}.mlp.gate",
    "model.layers.{}.mlp.up_proj": "blocks.{}.mlp.up",
    "model.layers.{}.mlp.down_proj": "blocks.{}.mlp.down",
    "model.norm": "norm",
    "lm_head": "head",
}


def save_redrawn(model: torch.nn.Module, folder: Path) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.save_pretrained(folder)  # type: ignore[operator]
    return load_file(folder / "model.safetensors")


def test_vit_equals_transformers(tmp_path: Path) -> None:
    reference = ViTModel(
        ReferenceViTConfig(
            image_size=(20, 12), patch_size=4, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=40, layer_norm_eps=1e-6,
        ),
        add_pooling_layer=False,
    ).eval()  # fmt: skip
    tensors = save_redrawn(reference, tmp_path)
    ours = VisionTransformer(
        ViTConfig(image_size=(20, 12), patch_size=4, dim=24, depth=2, heads=3, mlp_dim=40, class_token=True)
    )
    mapped = map_keys(tensors, VIT_KEYS, set(ours.state_dict()))
    mapped["class_token"], mapped["positions"] = mapped["class_token"][0], mapped["positions"][0]
    fill_module(ours, mapped)
    pixels = torch.randn(2, 3, 20, 12)
    with torch.no_grad():
        expected = reference(pixels).last_hidden_state
        out = ours.eval()(pixels)
    assert (out.tokens - expected[:, 1:]).abs().max() <= 1e-5
    assert (out.pooled - expected[:, 0]).abs().max() <= 1e-5
    assert out.grid == (5, 3)


def test_decoder_equals_transformers(tmp_path: Path) -> None:
    reference = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=41, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
            head_dim=8, intermediate_size=36, rope_theta=500.0, rms_norm_eps=1e-5, tie_word_embeddings=False,
            max_position_embeddings=64,
        )
    ).eval()  # fmt: skip
    tensors = save_redrawn(reference, tmp_path)
    ours = Decoder(
        DecoderConfig(
            vocab_size=41, dim=24, depth=2, heads=6, kv_heads=2, head_dim=8, mlp_dim=36, rope_base=500.0, tied=False
        )
    )
    fill_module(ours, map_keys(tensors, LLAMA_KEYS, set(ours.state_dict())))
    ids = torch.randint(0, 41, (2, 9))
    with torch.no_grad():
        expected = reference(ids).logits
        hidden = ours.eval()(ours.embed(ids), torch.arange(9)[None], causal_mask(9, 9))
        logits = ours.logits(hidden)
    assert (logits - expected).abs().max() <= 1e-5
