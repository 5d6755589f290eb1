"""Resampler, Q-Former and gated cross-attention: counts, padding, gates, taps."""

import torch

from showtell.core.attention import AttentionConfig
from showtell.core.cross_attention import CrossAttention
from showtell.core.trace import trace
from showtell.fusion.gated_xattn import GatedCrossBlock, GatedCrossConfig
from showtell.fusion.qformer import QFormer, QFormerConfig
from showtell.fusion.resampler import Resampler, ResamplerConfig


def test_cross_attention_explicit_equals_fused() -> None:
    layer = CrossAttention(AttentionConfig(dim=12, heads=6, kv_heads=2, head_dim=4, qk_norm_eps=1e-5), 7)
    x, context = torch.randn(2, 3, 12), torch.randn(2, 5, 7)
    mask = torch.tensor([True, True, False, True, False]).expand(2, 1, 3, 5)
    fused = layer(x, context, mask)
    with trace(layer, "weights") as tapped:
        explicit = layer(x, context, mask)
    assert (fused - explicit).abs().max() <= 1e-5
    assert tapped["weights"].shape == (2, 6, 3, 5) and tapped["weights"][..., 2].abs().max() == 0


def test_resampler_gives_a_fixed_number_and_ignores_padding() -> None:
    resampler = Resampler(ResamplerConfig(dim=12, latents=4, depth=2, heads=3, mlp_dim=20, gated=True, norm="rms"))
    picture = torch.randn(1, 9, 12)
    padded = torch.cat([picture, torch.full((1, 5, 12), 7.0)], dim=1)
    valid = torch.arange(14)[None] < 9
    assert resampler(picture).shape == (1, 4, 12)
    assert (resampler(picture) - resampler(padded, valid)).abs().max() <= 1e-5


def test_only_every_second_layer_of_a_qformer_looks() -> None:
    qformer = QFormer(QFormerConfig(dim=12, depth=3, heads=3, mlp_dim=20, queries=5, context_dim=7))
    assert qformer(torch.randn(2, 6, 7)).shape == (2, 5, 12)
    looking = {name.split(".")[1] for name, _ in qformer.named_parameters() if ".look." in name}
    assert looking == {"0", "2"}


def test_a_shut_gate_and_a_token_without_pictures_change_nothing() -> None:
    block = GatedCrossBlock(GatedCrossConfig(dim=12, heads=3, mlp_dim=20, context_dim=7))
    x, context = torch.randn(2, 4, 12), torch.randn(2, 6, 7)
    mask = torch.zeros(2, 4, 6, dtype=torch.bool)
    mask[:, 2:, :3] = True
    assert torch.equal(block(x, context, mask), x)
    with torch.no_grad():
        block.gate1.fill_(0.5)
    moved = (block(x, context, mask) - x).abs().amax(dim=-1)
    assert (moved[:, :2] == 0).all() and (moved[:, 2:] > 0).all()
