"""Qwen2-VL and Qwen2.5-VL against `transformers`: sizes, positions, written tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close, assert_same_files, noise, save_redrawn
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.fusion.mrope import axis_positions
from showtell.fusion.qwen2_vl import config_from_hf, layout, load, to_hf
from showtell.images.decode import Picture
from showtell.images.native import BlockConfig, BlockProcessor
from showtell.vision.native_vit import Grid, NativeViT, NativeViTConfig

IMAGE, START, END = 3, 5, 6
TEXT = dict(
    vocab_size=59, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=44, max_position_embeddings=512, bos_token_id=1, eos_token_id=2,
    rope_parameters=dict(rope_type="default", mrope_section=[1, 2, 3], rope_theta=500.0),
)  # fmt: skip
COMMON = dict(depth=3, num_heads=3, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
IDS = dict(image_token_id=IMAGE, video_token_id=4, vision_start_token_id=START, vision_end_token_id=END)
GRIDS = [Grid(1, 6, 10), Grid(1, 4, 4), Grid(1, 2, 14)]


def qwen2(tied: bool) -> Any:
    vision = dict(COMMON, embed_dim=24, hidden_size=48, mlp_ratio=2)
    return Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(vision_config=vision, text_config=dict(TEXT), tie_word_embeddings=tied, **IDS)
    ).eval()


def qwen2_5(tied: bool) -> Any:
    vision = dict(
        COMMON, hidden_size=24, out_hidden_size=48, intermediate_size=40, window_size=16, fullatt_block_indexes=[1]
    )
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(vision_config=vision, text_config=dict(TEXT), tie_word_embeddings=tied, **IDS)
    ).eval()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    first, second, third = ([IMAGE] * (grid.rows * grid.cols // 4) for grid in GRIDS)
    return left_padded([[1, 7, START, *first, END, 8, START, *second, END, 9, 10], [1, START, *third, END, 11]])


@pytest.mark.parametrize("make", [qwen2, qwen2_5])
@pytest.mark.parametrize("tied", [False, True])
def test_qwen_vl_equals_transformers(make: Any, tied: bool, tmp_path: Path) -> None:
    reference = make(tied)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    patches, grid_thw = noise(sum(g.rows * g.cols for g in GRIDS), 3 * 2 * 4 * 4), torch.tensor(GRIDS)
    ids, valid = batch()
    kinds = (ids == IMAGE).int()
    with torch.no_grad():
        image_tokens = model.image_tokens(patches, GRIDS)
        theirs = reference.get_image_features(patches, grid_thw).pooler_output
    assert_close(image_tokens[0], torch.cat(list(theirs)))
    positions = model.positions(ids, valid, GRIDS)
    expected, _ = reference.model.get_rope_index(
        ids, mm_token_type_ids=kinds, image_grid_thw=grid_thw, attention_mask=valid.long()
    )
    assert torch.equal(positions, expected)
    inputs = {"pixel_values": patches, "image_grid_thw": grid_thw, "mm_token_type_ids": kinds}
    assert_same_logits(model, image_tokens, reference, ids, valid, positions, **inputs)
    assert_same_greedy(model, image_tokens, reference, ids, valid, positions, **inputs)
    assert_same_files(to_hf(model), tmp_path)


@pytest.mark.parametrize("make", [qwen2, qwen2_5])
def test_clips_have_frames(make: Any, tmp_path: Path) -> None:
    reference = make(False)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    grids = [Grid(3, 6, 4), Grid(1, 4, 10)]
    patches = noise(3 * 24 + 40, 3 * 2 * 4 * 4)
    with torch.no_grad():
        theirs = reference.get_image_features(patches, torch.tensor(grids)).pooler_output
        assert_close(model.image_tokens(patches, grids)[0], torch.cat(list(theirs)))


def test_the_older_layout_is_the_same_model(tmp_path: Path) -> None:
    save_redrawn(qwen2(False), tmp_path)
    written = to_hf(load(tmp_path))
    tensors = load_file(tmp_path / "model.safetensors")
    nested = {
        ("model." + name if name.startswith("visual.") else name.replace("model.", "model.language_model.")): tensor
        for name, tensor in tensors.items()
    }
    save_file(nested, tmp_path / "model.safetensors")
    again = to_hf(load(tmp_path))
    assert set(again) == set(written) and all(torch.equal(again[name], written[name]) for name in written)


def test_the_published_configuration_is_flat() -> None:
    """Qwen2-VL-2B, as its file says it."""
    vision = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3, "hidden_size": 1536,
              "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}  # fmt: skip
    data = {
        "hidden_size": 1536, "intermediate_size": 8960, "max_window_layers": 28, "model_type": "qwen2_vl",
        "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": True, "use_sliding_window": False,
        "vision_config": vision, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vocab_size": 151936, "image_token_id": 151655,
    }  # fmt: skip
    config = config_from_hf(data)
    assert config.decoder.rope_sections == (16, 24, 24) and config.decoder.rope_base == 1e6 and config.decoder.tied
    assert config.vision.out_dim == 1536 and config.vision.mlp_dim == 5120 and config.vision.activation == "quick_gelu"
    with pytest.raises(ConfigError, match="mrope_section"):
        config_from_hf(data | {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 25]}})


def test_positions_are_those_drawn() -> None:
    ids = torch.tensor([[0, 8, 9, 3, 3, 3, 3, 3, 3, 8, 9]])
    valid = ids != 0
    positions = axis_positions(ids, valid, IMAGE, [Grid(1, 2, 3)])
    assert positions[:, 0, 1:].tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
    ]
    with pytest.raises(ValueError, match="placeholders at token 2 do not match"):
        axis_positions(ids, valid, IMAGE, [Grid(1, 2, 4)])


PLANNED = NativeViTConfig(
    patch_size=4, frame_size=2, merge=2, dim=8, depth=2, heads=1, mlp_dim=8, out_dim=8, window=16, full_layers=(1,)
)


@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 120), height=st.integers(1, 120), most=st.integers(100, 4000))
def test_the_plan_counts_the_features_of_any_picture(width: int, height: int, most: int) -> None:
    frame = Frame(width, height)
    processor = BlockProcessor(BlockConfig(patch_size=4, min_pixels=64, max_pixels=most))
    patches = processor(Picture(np.zeros((height, width, 3), dtype=np.uint8), frame, "black"))
    tokens = NativeViT(PLANNED)(patches.patches, [Grid(*patches.grid)])
    assert layout(processor.extent(frame), PLANNED).tokens == len(tokens)
