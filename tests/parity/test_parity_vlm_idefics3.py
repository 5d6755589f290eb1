"""Idefics3 and SmolVLM against `transformers`: tiles, one of them partly empty; prompts; written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.geometry import Frame
from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.idefics3 import Idefics3, config_from_hf, layout, load, to_hf, tokens_per_tile
from showtell.fusion.prefix_vlm import PrefixVLMConfig
from showtell.images.steps import LongestEdge
from showtell.images.tiles import TileConfig, TileProcessor
from showtell.text.decoder import DecoderConfig
from showtell.vision.bucketed import places
from showtell.vision.vit import ViTConfig

IMAGE = 3
VISION = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=36, patch_size=4
)
LLAMA = dict(
    model_type="llama", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=256,
)  # fmt: skip
TILE = [IMAGE] * 9  # 9 x 9 patches, factor 3
ROWS = [[1, 6, *TILE, 6, *TILE, 7, *TILE, 8, 9, 10], [1, 7, *TILE, 8, 11]]


def idefics3(tied: bool) -> Any:
    text = dict(LLAMA, tie_word_embeddings=tied)
    return Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=dict(VISION), text_config=text, image_token_id=IMAGE, scale_factor=3, pad_token_id=0,
            tie_word_embeddings=tied,
        )
    )  # fmt: skip


def smolvlm(tied: bool) -> Any:
    text = dict(LLAMA, tie_word_embeddings=tied)
    return SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config=dict(VISION), text_config=text, image_token_id=IMAGE, scale_factor=3, pad_token_id=0,
            tie_word_embeddings=tied,
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [idefics3, smolvlm])
@pytest.mark.parametrize("tied", [False, True])
def test_idefics3_equals_transformers(make: Any, tied: bool, tmp_path: Path) -> None:
    reference = make(tied).eval()
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    tiles = noise(4, 3, 36, 36)
    mask = torch.ones(4, 36, 36, dtype=torch.bool)
    mask[1, :, 23:], mask[3, 29:, :] = False, False  # the second and the last tile are smaller than the square
    tiles = tiles * mask[:, None]
    pixels, seen = torch.zeros(2, 3, 3, 36, 36), torch.zeros(2, 3, 36, 36, dtype=torch.bool)
    pixels[0], pixels[1, 0], seen[0], seen[1, 0] = tiles[:3], tiles[3], mask[:3], mask[3]
    inputs = {"pixel_values": pixels, "pixel_attention_mask": seen}
    ids, valid = left_padded(ROWS)
    with torch.no_grad():
        image_tokens = model.image_tokens(tiles, mask)
        theirs = torch.cat(list(reference.get_image_features(**inputs).pooler_output))
        whole = torch.cat(list(reference.get_image_features(pixel_values=tiles[None]).pooler_output))
        assert_close(model.image_tokens(tiles).flatten(0, 1), whole)
    assert_close(image_tokens.flatten(0, 1), theirs)
    assert_same_logits(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_greedy(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_files(to_hf(model), tmp_path)


@pytest.mark.parametrize("side", [7, 26, 27, 32, 49])
def test_single_precision_buckets_are_those_of_the_reference(side: int) -> None:
    """A tower whose positions are their own numbers shows which one each patch was given."""
    tower = Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=dict(VISION, image_size=side * 4), text_config=dict(LLAMA), scale_factor=1, pad_token_id=0
        )
    ).model.vision_model.embeddings
    with torch.no_grad():
        tower.patch_embedding.weight.zero_()
        tower.patch_embedding.bias.zero_()
        tower.position_embedding.weight.copy_(torch.arange(side * side)[:, None].expand(-1, 24))
    seen = torch.zeros(3, side, side, dtype=torch.bool)
    seen[0], seen[1, : side // 2 + 1, : side - 1], seen[2, :3, :5] = True, True, True
    theirs = tower(torch.zeros(3, 3, side * 4, side * 4), seen)[..., 0]
    assert places(seen, side).tolist() == theirs.long().tolist()


@pytest.mark.parametrize(("rows", "cols"), [(0, 0), (1, 2), (3, 2)])
def test_prompts_are_those_of_the_reference(rows: int, cols: int) -> None:
    processor = TileProcessor(TileConfig(steps=(), tile=10))
    plan = processor.plan(Frame(max(cols, 1) * 10, max(rows, 1) * 10))
    ours = layout(plan, tokens=4)
    theirs = get_image_prompt_string(rows, cols, 4, "<fake_token_around_image>", "<image>", "<global-img>")
    assert ours.text() == theirs and ours.tokens == theirs.count("<image>")


PLANNED = PrefixVLMConfig(
    vision=ViTConfig(image_size=(8, 8), patch_size=2, dim=4, depth=1, heads=1, mlp_dim=4),
    connector=ConnectorConfig(kind="linear", bias=False, shuffle=2),
    decoder=DecoderConfig(vocab_size=5, dim=4, depth=1, heads=1, mlp_dim=4),
    image_token_id=IMAGE,
)


@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 300), height=st.integers(1, 300), longest=st.integers(8, 60), split=st.booleans())
def test_the_plan_counts_the_features_of_any_picture(width: int, height: int, longest: int, split: bool) -> None:
    processor = TileProcessor(TileConfig(steps=(LongestEdge(longest=longest),), tile=8, split=split))
    plan = processor.plan(Frame(width, height))
    pixels = torch.zeros(len(plan.chains), 3, plan.canvas.height, plan.canvas.width)
    features = Idefics3(PLANNED).image_tokens(pixels)
    assert layout(plan, tokens_per_tile(PLANNED)).tokens == features.shape[0] * features.shape[1]


def test_the_published_smolvlm_leaves_sizes_out() -> None:
    """SmolVLM-256M, as its file says it."""
    vision = {"hidden_size": 768, "image_size": 512, "model_type": "smolvlm_vision", "num_attention_heads": 12,
              "patch_size": 16}  # fmt: skip
    config = config_from_hf(
        {"image_token_id": 49190, "scale_factor": 4, "vision_config": vision, "text_config": dict(LLAMA)}
    )
    assert (config.vision.depth, config.vision.mlp_dim, config.vision.grid) == (12, 3072, (32, 32))
    assert tokens_per_tile(config) == 64
