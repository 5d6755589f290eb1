"""The vision transformer's switches by themselves; that families equal their references is held in `tests/parity`."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from showtell.core.config import from_dict, to_dict
from showtell.core.errors import ConfigError
from showtell.core.trace import trace
from showtell.vision import clip_vit, dinov2, dinov3, siglip, siglip2, vit_hf, vit_mae
from showtell.vision.siglip2 import NaFlexTransformer, patch_list
from showtell.vision.vit import VisionTransformer, ViTConfig

TINY = ViTConfig(image_size=(12, 20), patch_size=4, dim=16, depth=3, heads=2, mlp_dim=24)


def redrawn(model: torch.nn.Module, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def test_class_token_and_registers_stay_out_of_the_tokens() -> None:
    tower = VisionTransformer(replace(TINY, class_token=True, registers=4))
    out = tower(torch.randn(2, 3, 12, 20))
    assert out.tokens.shape == (2, 15, 16) and out.prefix.shape == (2, 5, 16)
    assert torch.equal(out.pooled, out.prefix[:, 0])


@pytest.mark.parametrize(("layer", "running"), [(None, 3), (-1, 3), (-2, 2), (0, 0), (3, 3), (-4, 0)])
def test_blocks_behind_the_feature_layer_are_kept_and_do_nothing(layer: int | None, running: int) -> None:
    tower = redrawn(VisionTransformer(replace(TINY, feature_layer=layer)))
    whole = redrawn(VisionTransformer(TINY))
    assert set(tower.state_dict()) == set(whole.state_dict())
    with trace(whole, "blocks.*.residual", "embedded") as seen, torch.no_grad():
        reached = whole(torch.ones(1, 3, 12, 20)).tokens
    states = [seen["embedded"], *(seen[f"blocks.{i}.residual"] for i in range(3))]
    expected = reached if layer is None else states[layer]
    with torch.no_grad():
        assert torch.equal(tower(torch.ones(1, 3, 12, 20)).tokens, expected)
    assert tower.config.running == running


def test_a_feature_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="feature_layer: 4 is not a hidden state of 3 blocks"):
        VisionTransformer(replace(TINY, feature_layer=4))


def test_a_picture_in_a_padded_list_is_the_picture_alone() -> None:
    config = replace(TINY, image_size=(12, 12), pooling="attention", position_kernel="bilinear_antialias")
    tower = redrawn(NaFlexTransformer(config))
    wide, small = torch.randn(3, 8, 28), torch.randn(3, 4, 8)
    with torch.no_grad():
        both = tower(patch_list([wide, small], patch_size=4, length=17))
        alone = tower(patch_list([small], patch_size=4, length=2))
    assert torch.allclose(both.pooled[1:], alone.pooled, atol=1e-6)
    assert torch.allclose(both.tokens[1:, :2], alone.tokens, atol=1e-6)


def test_the_pooling_head_shows_where_it_looks() -> None:
    tower = redrawn(VisionTransformer(replace(TINY, pooling="attention")))
    pixels = torch.randn(2, 3, 12, 20)
    with torch.no_grad():
        fused = tower(pixels).pooled
        with trace(tower, "pool.attn.weights") as seen:
            explicit = tower(pixels).pooled
    assert torch.allclose(fused, explicit, atol=1e-5)
    assert seen["pool.attn.weights"].shape == (2, 2, 1, 15)


def test_the_mean_of_a_padded_list_leaves_the_padding_out() -> None:
    tower = redrawn(NaFlexTransformer(replace(TINY, image_size=(12, 12), pooling="mean")))
    with torch.no_grad():
        out = tower(patch_list([torch.randn(3, 4, 8)], patch_size=4, length=9))
    assert torch.allclose(out.pooled, out.tokens[:, :2].mean(dim=1), atol=1e-6)


@pytest.mark.parametrize(
    ("config", "millions"),
    [
        (clip_vit.VIT_B_32, 87.5),
        (clip_vit.VIT_L_14_336, 303.5),
        (siglip.BASE_16_224, 92.9),
        (siglip.SO400M_14_384, 428.2),
        (siglip2.BASE_16, 92.9),
        (vit_hf.BASE_16_224, 85.8),
        (vit_mae.HUGE_14_224, 630.8),
        (dinov2.SMALL, 22.1),
        (dinov2.GIANT, 1136.5),
        (dinov3.SMALL_16, 21.6),
        (dinov3.LARGE_16, 303.1),
    ],
)
def test_presets_have_the_published_size_and_survive_json(config: ViTConfig, millions: float) -> None:
    with torch.device("meta"):
        tower = VisionTransformer(config)
    assert sum(p.numel() for p in tower.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert from_dict(ViTConfig, to_dict(config)) == config
