"""LLaVA-NeXT and LLaVA-OneVision against `transformers`: pictures of any shape, several pictures, video."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close, assert_same_files, noise, save_redrawn
from torch import Tensor
from transformers import (
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
)
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.fusion import llava_next, llava_onevision
from showtell.fusion.anyres import AnyResPlan, AnyResVLM, AnyResVLMConfig, plan_anyres, plan_single
from showtell.fusion.splice import splice
from showtell.images.anyres import AnyResConfig, AnyResProcessor
from showtell.images.decode import Picture
from showtell.images.steps import Stretch

IMAGE, VIDEO = 3, 4
CLIP = dict(
    model_type="clip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    image_size=20, patch_size=4, projection_dim=12,
)  # fmt: skip
SIGLIP = dict(CLIP, model_type="siglip_vision_model", vision_use_head=False)
LLAMA = dict(
    model_type="llama", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=512,
)  # fmt: skip
MISTRAL = dict(LLAMA, model_type="mistral", sliding_window=16)
QWEN = dict(LLAMA, model_type="qwen2", tie_word_embeddings=True)
FEW = [[20, 40], [40, 20], [40, 40], [60, 20], [20, 60]]
MANY = [[20 * rows, 20 * cols] for rows in range(1, 5) for cols in range(1, 5)]


def next_model(text: dict[str, Any]) -> Any:
    config = LlavaNextConfig(
        vision_config=dict(CLIP), text_config=dict(text), image_token_index=IMAGE, image_grid_pinpoints=FEW
    )
    return LlavaNextForConditionalGeneration(config).eval()


def onevision_model() -> Any:
    config = LlavaOnevisionConfig(
        vision_config=dict(SIGLIP), text_config=dict(QWEN), image_token_index=IMAGE, video_token_index=VIDEO,
        image_grid_pinpoints=MANY, vision_aspect_ratio="anyres_max_3",
    )  # fmt: skip
    return LlavaOnevisionForConditionalGeneration(config).eval()


def batch_of(plans: list[AnyResPlan], sizes: list[tuple[int, int]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Views of all pictures for us, the same padded to one tensor for the reference."""
    most = max(plan.views for plan in plans)
    padded = noise(len(plans), most, 3, 20, 20)
    views = torch.cat([picture[: plan.views] for picture, plan in zip(padded, plans, strict=True)])
    return views, {"pixel_values": padded, "image_sizes": torch.tensor([(h, w) for w, h in sizes])}


def rows_of(plans: list[AnyResPlan]) -> tuple[Tensor, Tensor]:
    first, second = ([IMAGE] * plan.tokens for plan in plans)
    return left_padded([[1, 5, *first, 7, 8, 9, 10], [1, *second, 12]])


@pytest.mark.parametrize("text", [LLAMA, MISTRAL], ids=["llama", "mistral with a window"])
@pytest.mark.parametrize("sizes", [[(57, 31), (16, 70)], [(200, 20), (33, 33)]])
def test_llava_next_equals_transformers(text: dict[str, Any], sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    reference = next_model(text)
    save_redrawn(reference, tmp_path)
    model = llava_next.load(tmp_path)
    plans = [plan_anyres(Frame(*size), llava_next.config_from_hf(reference.config.to_dict())) for size in sizes]
    views, inputs = batch_of(plans, sizes)
    with torch.no_grad():
        image_tokens = model.image_tokens(views, plans)
        theirs = reference.get_image_features(**inputs).pooler_output
    assert [len(t) for t in theirs] == [plan.tokens for plan in plans]
    assert_close(image_tokens[0], torch.cat(list(theirs)))
    ids, valid = rows_of(plans)
    assert_same_logits(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_greedy(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_files(llava_next.to_hf(model), tmp_path)


@pytest.mark.parametrize("sizes", [[(57, 31), (16, 70)], [(300, 290), (80, 65)]])
def test_onevision_equals_transformers(sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    reference = onevision_model()
    save_redrawn(reference, tmp_path)
    model = llava_onevision.load(tmp_path)
    plans = [plan_anyres(Frame(*size), llava_onevision.config_from_hf(reference.config.to_dict())) for size in sizes]
    views, inputs = batch_of(plans, sizes)
    with torch.no_grad():
        image_tokens = model.image_tokens(views, plans)
        theirs = reference.get_image_features(**inputs).pooler_output
    assert [len(t) for t in theirs] == [plan.tokens for plan in plans]
    assert_close(image_tokens[0], torch.cat(list(theirs)))
    ids, valid = rows_of(plans)
    assert_same_logits(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_greedy(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_files(llava_onevision.to_hf(model), tmp_path)


@torch.no_grad()
def test_several_pictures_and_a_video_of_onevision(tmp_path: Path) -> None:
    reference = onevision_model()
    save_redrawn(reference, tmp_path)
    model = llava_onevision.load(tmp_path)
    views = noise(2, 3, 20, 20)
    image_tokens = model.image_tokens(views)
    picture = [IMAGE] * plan_single(llava_onevision.config_from_hf(reference.config.to_dict())).tokens
    ids, valid = left_padded([[1, *picture, 5, *picture, 6, 7]])
    inputs = {"pixel_values": views[:, None], "image_sizes": torch.tensor([[31, 57], [70, 16]])}
    assert_same_logits(model, image_tokens, reference, ids, valid, batch_num_images=torch.tensor([2]), **inputs)

    frames = noise(3, 3, 20, 20)
    words = llava_onevision.frame_tokens(model, frames)
    assert_close(words, reference.get_video_features(frames[None]).pooler_output)
    ids = torch.tensor([[1, 5, *[VIDEO] * words.shape[1], 6, 7]])
    theirs = reference(input_ids=ids, pixel_values_videos=frames[None]).logits
    sequence = splice(model.decoder.embed(ids), ids, words, VIDEO)
    causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    ours = model.decoder.logits(model.decoder(sequence, torch.arange(ids.shape[1])[None], causal))
    assert_close(ours, theirs, 1e-5 * float(theirs.abs().max()))


@functools.cache
def planned(many: bool) -> AnyResVLM:
    """A small model of each family, not loaded."""
    family, reference = (llava_onevision, onevision_model()) if many else (llava_next, next_model(LLAMA))
    return AnyResVLM(family.config_from_hf(reference.config.to_dict()))


@settings(deadline=None, max_examples=100)
@given(width=st.integers(1, 400), height=st.integers(1, 400), many=st.booleans())
def test_the_plan_counts_the_features_of_any_picture(width: int, height: int, many: bool) -> None:
    model = planned(many)
    assert isinstance(model.config, AnyResVLMConfig)
    frame = Frame(width, height)
    picture = Picture(np.zeros((height, width, 3), dtype=np.uint8), frame, "black")
    square = Stretch(height=20, width=20)
    config = AnyResConfig(grids=model.config.grids, tile=20, whole=(20, 20), steps=(square,), margin=(0, 0, 0))
    tiles = AnyResProcessor(config)(picture)
    plan = plan_anyres(frame, model.config)
    assert len(tiles.pixels) == plan.views
    assert model.image_tokens(tiles.pixels, [plan]).shape[1] == plan.tokens == plan.layout.tokens


def test_an_aspect_ratio_without_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="vision_aspect_ratio: 'square'"):
        llava_onevision.config_from_hf(onevision_model().config.to_dict() | {"vision_aspect_ratio": "square"})
