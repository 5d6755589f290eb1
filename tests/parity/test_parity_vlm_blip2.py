"""BLIP-2 and its OPT against `transformers`: two pictures in one padded batch, written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from transformers import Blip2Config, Blip2ForConditionalGeneration, OPTConfig, OPTForCausalLM
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded, positions_of, relative

from showtell.core.errors import ConfigError
from showtell.core.masks import left_padded_mask
from showtell.fusion.blip2 import config_from_hf, load, to_hf
from showtell.text import opt

IMAGE = 3
VISION = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8
)
QFORMER = dict(
    hidden_size=36, num_hidden_layers=5, num_attention_heads=3, intermediate_size=40, cross_attention_frequency=2,
    encoder_hidden_size=24, vocab_size=30, max_position_embeddings=32,
)  # fmt: skip
OPT = dict(
    model_type="opt", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=44,
    word_embed_proj_dim=32, max_position_embeddings=128,
)  # fmt: skip
PICTURE = [IMAGE] * 5


def reference_model(**fields: Any) -> Any:
    config = Blip2Config(
        vision_config=dict(VISION, **fields), qformer_config=dict(QFORMER), text_config=dict(OPT), num_query_tokens=5,
        image_token_index=IMAGE,
    )  # fmt: skip
    return Blip2ForConditionalGeneration(config).eval()


@pytest.mark.parametrize("bias", [True, False])
def test_blip2_equals_transformers(bias: bool, tmp_path: Path) -> None:
    reference = reference_model(qkv_bias=bias)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    pixels = noise(2, 3, 24, 24)
    ids, valid = left_padded([[*PICTURE, 2, 7, 8, 9, 10, 11], [*PICTURE, 2, 12]], pad=1)
    with torch.no_grad():
        image_tokens = model.image_tokens(pixels)
        assert_close(image_tokens, reference.get_image_features(pixels).pooler_output)
    assert_same_logits(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    assert_same_greedy(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    assert_same_files(to_hf(model), tmp_path)


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_opt_equals_transformers(tied: bool, tmp_path: Path) -> None:
    reference = OPTForCausalLM(OPTConfig(**OPT, tie_word_embeddings=tied)).eval()
    save_redrawn(reference, tmp_path)
    model = opt.load(tmp_path)
    ids, valid = left_padded([[2, 7, 8, 9, 10, 11], [2, 12, 13]], pad=1)
    theirs = reference(input_ids=ids, attention_mask=valid.long()).logits
    hidden = model(model.embed(ids), positions_of(valid), left_padded_mask(valid, ids.shape[1]))
    assert relative(model.logits(hidden)[valid], theirs[valid]) <= 1e-5
    assert_same_files(opt.to_hf(model), tmp_path)


def test_an_encoder_decoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="use_decoder_only_language_model: False"):
        config_from_hf({"use_decoder_only_language_model": False})
