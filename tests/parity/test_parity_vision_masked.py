"""The masked autoencoder's predictions and loss against `transformers`, on a file it saved, every parameter redrawn."""

from pathlib import Path

import torch
from reference import assert_close, save_redrawn
from safetensors.torch import load_file
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from showtell.core.checkpoint import fill_module
from showtell.core.keymap import Squeezed, map_keys, prefixed
from showtell.vision import vit_mae
from showtell.vision.masked import MaskedAutoencoder, MaskedStep, PainterConfig
from showtell.vision.vit import VisionTransformer

KEYS = {
    **prefixed(vit_mae.KEYS, theirs="vit.", ours="encoder."),
    "decoder.mask_token": Squeezed("mask_token", 2),
    "decoder.decoder_pos_embed": Squeezed("positions", 1),
    "decoder.decoder_embed": "narrow",
    "decoder.decoder_encoder.layer.{}.attention.attention.query": "blocks.{}.attn.q",
    "decoder.decoder_encoder.layer.{}.attention.attention.key": "blocks.{}.attn.k",
    "decoder.decoder_encoder.layer.{}.attention.attention.value": "blocks.{}.attn.v",
    "decoder.decoder_encoder.layer.{}.attention.output.dense": "blocks.{}.attn.o",
    "decoder.decoder_encoder.layer.{}.layernorm_before": "blocks.{}.norm1",
    "decoder.decoder_encoder.layer.{}.layernorm_after": "blocks.{}.norm2",
    "decoder.decoder_encoder.layer.{}.intermediate.dense": "blocks.{}.mlp.up",
    "decoder.decoder_encoder.layer.{}.output.dense": "blocks.{}.mlp.down",
    "decoder.decoder_norm": "norm",
    "decoder.decoder_pred": "paint",
}


def test_masked_autoencoder_equals_transformers(tmp_path: Path) -> None:
    config = ViTMAEConfig(
        image_size=20, patch_size=4, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        decoder_hidden_size=16, decoder_num_hidden_layers=2, decoder_num_attention_heads=2, mask_ratio=0.6,
        decoder_intermediate_size=28, norm_pix_loss=True, layer_norm_eps=1e-6,
    )  # fmt: skip
    reference = ViTMAEForPreTraining(config).eval()
    save_redrawn(reference, tmp_path)
    encoder = VisionTransformer(vit_mae.config_from_hf(config.to_dict()))
    ours = MaskedAutoencoder(encoder, PainterConfig(dim=16, depth=2, heads=2, mlp_dim=28)).eval()
    fill_module(ours, map_keys(load_file(tmp_path / "model.safetensors"), KEYS, set(ours.state_dict())))
    pixels, noise = torch.randn(3, 3, 20, 20), torch.rand(3, 25)
    with torch.no_grad():
        theirs = reference(pixels, noise=noise)
        kept = noise.argsort(dim=1)[:, :10]
        painted, loss = ours(pixels, kept), MaskedStep(0.6).loss(ours, pixels, kept)
    assert_close(painted, theirs.logits)
    assert_close(loss.value / loss.weight, theirs.loss)
