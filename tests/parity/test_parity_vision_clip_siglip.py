"""The image towers of CLIP and SigLIP against `transformers`, on files it saved, every parameter redrawn.

The reference's position table is square; other shapes of picture go through its interpolation.
"""

from pathlib import Path

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

from showtell.core.errors import CheckpointError, ConfigError
from showtell.vision import clip_vit, siglip

SHAPE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "image_size": 20,
    "patch_size": 4,
}
SQUARE, TALL = (2, 3, 20, 20), (2, 3, 28, 12)


@pytest.mark.parametrize("shape", [SQUARE, TALL])
@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
def test_clip_tower(tmp_path: Path, shape: tuple[int, ...], act: str) -> None:
    reference = CLIPVisionModel(CLIPVisionConfig(**SHAPE, hidden_act=act))
    save_redrawn(reference, tmp_path)
    tower = clip_vit.load(tmp_path)
    pixels = noise(*shape)
    with torch.no_grad():
        theirs = reference(pixels, interpolate_pos_encoding=True)
        ours = tower(pixels)
    assert_close(ours.tokens, theirs.last_hidden_state[:, 1:])
    assert_close(ours.prefix, theirs.last_hidden_state[:, :1])
    assert_close(ours.pooled, theirs.pooler_output)
    assert ours.grid == (shape[2] // 4, shape[3] // 4)
    assert_same_files(clip_vit.to_hf(tower, prefix=""), tmp_path)


@pytest.mark.parametrize("layer", [-1, -2, -3, 0, 1])
def test_clip_tower_read_at_an_inner_layer(tmp_path: Path, layer: int) -> None:
    """LLaVA reads layer -2: no later block, no last norm."""
    reference = CLIPVisionModel(CLIPVisionConfig(**SHAPE))
    save_redrawn(reference, tmp_path)
    tower = clip_vit.load(tmp_path, feature_layer=layer)
    with torch.no_grad():
        hidden = reference(noise(*SQUARE), output_hidden_states=True).hidden_states
        assert_close(tower(noise(*SQUARE)).tokens, hidden[layer][:, 1:])
    assert_same_files(clip_vit.to_hf(tower, prefix=""), tmp_path)


@pytest.mark.parametrize("shape", [SQUARE, TALL])
@pytest.mark.parametrize("head", [True, False])
def test_siglip_tower(tmp_path: Path, shape: tuple[int, ...], head: bool) -> None:
    reference = SiglipVisionModel(SiglipVisionConfig(**SHAPE, vision_use_head=head))
    save_redrawn(reference, tmp_path)
    tower = siglip.load(tmp_path)
    pixels = noise(*shape)
    with torch.no_grad():
        theirs = reference(pixels, interpolate_pos_encoding=True)
        ours = tower(pixels)
    assert_close(ours.tokens, theirs.last_hidden_state)
    assert_close(ours.pooled, theirs.pooler_output if head else theirs.last_hidden_state.mean(dim=1))
    assert_same_files(siglip.to_hf(tower, prefix=""), tmp_path)


@pytest.mark.parametrize("layer", [-1, -2])
def test_siglip_tower_read_at_an_inner_layer(tmp_path: Path, layer: int) -> None:
    """Layer -1 is the last block *without* the norm (LLaVA-OneVision)."""
    reference = SiglipVisionModel(SiglipVisionConfig(**SHAPE, vision_use_head=False))
    save_redrawn(reference, tmp_path)
    tower = siglip.load(tmp_path, feature_layer=layer)
    with torch.no_grad():
        hidden = reference(noise(*SQUARE), output_hidden_states=True).hidden_states
        assert_close(tower(noise(*SQUARE)).tokens, hidden[layer])
    assert_same_files(siglip.to_hf(tower, prefix=""), tmp_path)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hidden_act.*mish"):
        clip_vit.config_from_hf({"hidden_act": "mish"})
    with pytest.raises(ConfigError, match="num_channels"):
        siglip.config_from_hf({"num_channels": 4})
    with pytest.raises(ConfigError, match="patch_size"):
        siglip.config_from_hf({"patch_size": [4, 2]})
    with pytest.raises(ConfigError, match="feature_layer.*-5"):
        clip_vit.config_from_hf({**SHAPE, "num_hidden_layers": 3}, feature_layer=-5).running  # noqa: B018
    save_redrawn(SiglipVisionModel(SiglipVisionConfig(**SHAPE)), tmp_path)
    with pytest.raises(CheckpointError, match="not known to this architecture"):
        clip_vit.load(tmp_path)
