"""Idefics2 against `transformers`: pictures of several shapes on one canvas, a perceiver, written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import Idefics2Config, Idefics2ForConditionalGeneration
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.geometry import Frame
from showtell.fusion.idefics2 import Idefics2, config_from_hf, layout, load, to_hf
from showtell.images.steps import BetweenEdges
from showtell.images.tiles import QuarterConfig, QuarterProcessor

IMAGE = 3
VISION = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=28, patch_size=4
)
MISTRAL = dict(
    model_type="mistral", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=256, rms_norm_eps=1e-5, sliding_window=9,
)  # fmt: skip
PERCEIVER = dict(
    resampler_n_latents=5, resampler_depth=2, resampler_n_heads=6, resampler_head_dim=10, num_key_value_heads=2
)
PICTURE = [IMAGE] * 5
ROWS = [[1, 6, *PICTURE, 6, *PICTURE, 6, 8, 9, 10], [1, 6, *PICTURE, 6, 11]]


def reference_model(**perceiver: Any) -> Any:
    config = Idefics2Config(
        vision_config=dict(VISION), text_config=dict(MISTRAL), perceiver_config=dict(PERCEIVER, **perceiver),
        image_token_id=IMAGE,
    )  # fmt: skip
    return Idefics2ForConditionalGeneration(config).eval()


@pytest.mark.parametrize("perceiver", [{}, {"hidden_size": 32, "rms_norm_eps": 1e-4}], ids=["the decoder's", "its own"])
def test_idefics2_equals_transformers(perceiver: dict[str, Any], tmp_path: Path) -> None:
    reference = reference_model(**perceiver)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    mask = torch.ones(3, 28, 28, dtype=torch.bool)
    mask[1, :, 18:], mask[2, 11:, :] = False, False  # two patches are partly picture, partly padding
    pictures = noise(3, 3, 28, 28) * mask[:, None]
    pixels, seen = torch.zeros(2, 2, 3, 28, 28), torch.zeros(2, 2, 28, 28, dtype=torch.bool)
    pixels[0], pixels[1, 0], seen[0], seen[1, 0] = pictures[:2], pictures[2], mask[:2], mask[2]
    inputs = {"pixel_values": pixels, "pixel_attention_mask": seen}
    ids, valid = left_padded(ROWS)
    with torch.no_grad():
        image_tokens = model.image_tokens(pictures, mask)
        theirs = torch.cat(list(reference.get_image_features(**inputs).pooler_output))
        whole = torch.cat(list(reference.get_image_features(pixel_values=pictures[None]).pooler_output))
        assert_close(model.image_tokens(pictures).flatten(0, 1), whole)
    assert_close(image_tokens.flatten(0, 1), theirs)
    assert_same_logits(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_greedy(model, image_tokens, reference, ids, valid, **inputs)
    assert_same_files(to_hf(model), tmp_path)


@settings(deadline=None, max_examples=40)
@given(width=st.integers(2, 200), height=st.integers(2, 200), split=st.booleans())
def test_the_plan_counts_the_features_of_any_picture(width: int, height: int, split: bool) -> None:
    model = Idefics2(config_from_hf(reference_model().config.to_dict()))
    processor = QuarterProcessor(QuarterConfig(steps=(BetweenEdges(shortest=8, longest=28),), split=split))
    plan = processor.plan(Frame(width, height))
    canvas = (max(plan.canvas.height, 28), max(plan.canvas.width, 28))
    mask = torch.zeros(len(plan.chains), *canvas, dtype=torch.bool)
    for seen, chain in zip(mask, plan.chains, strict=True):
        seen[: chain[-1].canvas.height, : chain[-1].canvas.width] = True
    features = model.image_tokens(torch.zeros(len(mask), 3, *canvas), mask)
    laid = layout(plan, 5)
    assert laid.tokens == features.shape[0] * features.shape[1] == laid.text().count("<image>")
