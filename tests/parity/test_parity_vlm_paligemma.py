"""PaliGemma (1 and 2) against `transformers`: a prefix that sees itself whole, padding, a suffix, written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.fusion.paligemma import (
    config_from_hf,
    load,
    positions,
    prefix_sees_all,
    to_hf,
    whole_prompt,
    within_prefix,
)

SIGLIP = dict(
    model_type="siglip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    image_size=24, patch_size=8, projection_dim=32, vision_use_head=False,
)  # fmt: skip
GEMMA = dict(
    model_type="gemma", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=1, head_dim=12, intermediate_size=44, max_position_embeddings=256,
)  # fmt: skip
GEMMA_2 = dict(GEMMA, model_type="gemma2", num_hidden_layers=3, query_pre_attn_scalar=7, sliding_window=64)
NARROW = dict(GEMMA_2, sliding_window=6)


def reference_model(text: dict[str, Any], image: int) -> Any:
    return PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(
            vision_config=dict(SIGLIP), text_config=dict(text), image_token_index=image, projection_dim=32,
            hidden_size=32,
        )
    ).eval()  # fmt: skip


@pytest.mark.parametrize("text", [GEMMA, GEMMA_2, NARROW], ids=["gemma", "gemma2", "narrow window"])
@pytest.mark.parametrize("image", [3, 70], ids=["a word", "beyond the vocabulary"])
def test_paligemma_equals_transformers(text: dict[str, Any], image: int, tmp_path: Path) -> None:
    reference = reference_model(text, image)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    pixels = noise(2, 3, 24, 24)
    picture = [image] * 9
    prompts = [[*picture, 2, 5, 6, 7, 8, 4], [*picture, 2, 9, 4]]
    with torch.no_grad():
        image_tokens = model.image_tokens(pixels)
        assert_close(image_tokens, reference.get_image_features(pixels).pooler_output)
    inputs = {"pixel_values": pixels}

    answers = [[11, 12], [13, 14, 15]]
    ids, valid = left_padded([p + a for p, a in zip(prompts, answers, strict=True)])
    kinds, _ = left_padded([[0] * len(p) + [1] * len(a) for p, a in zip(prompts, answers, strict=True)])
    mask = prefix_sees_all(valid, kinds == 0)
    assert_same_logits(
        model, image_tokens, reference, ids, valid, positions(valid), mask, within_prefix(valid, kinds == 0),
        token_type_ids=kinds, **inputs,
    )  # fmt: skip

    ids, valid = left_padded(prompts)
    kinds = torch.zeros_like(ids)
    assert_same_greedy(
        model, image_tokens, reference, ids, valid, positions(valid), whole_prompt(valid),
        within_prefix(valid, kinds == 0), token_type_ids=kinds, **inputs,
    )  # fmt: skip
    assert_same_files(to_hf(model), tmp_path)


def test_the_mask_is_the_one_drawn() -> None:
    valid = torch.tensor([[False, True, True, True, True]])
    prefix = torch.tensor([[True, True, True, False, False]])
    rows = ["#....", ".##..", ".##..", ".###.", ".####"]
    drawn = ["".join("#" if seen else "." for seen in row) for row in prefix_sees_all(valid, prefix)[0, 0].tolist()]
    assert drawn == rows


def test_the_published_configuration_leaves_sizes_out() -> None:
    text = {"hidden_size": 2048, "intermediate_size": 16384, "model_type": "gemma", "num_attention_heads": 8,
            "num_hidden_layers": 18, "num_key_value_heads": 1, "vocab_size": 257216}  # fmt: skip
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "model_type": "siglip_vision_model",
              "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "projection_dim": 2048,
              "vision_use_head": False}  # fmt: skip
    config = config_from_hf({"image_token_index": 257152, "text_config": text, "vision_config": vision})
    assert config.vision.grid == (16, 16) and config.decoder.head_dim == 256 and config.decoder.tied
