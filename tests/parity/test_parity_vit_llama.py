"""Our one decoder against `transformers`, on files it saved, every parameter redrawn."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from showtell.core.checkpoint import fill_module
from showtell.core.keymap import map_keys
from showtell.core.masks import causal_mask
from showtell.text.decoder import Decoder, DecoderConfig

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
