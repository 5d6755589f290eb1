"""Idefics against `transformers`: several pictures, tokens that look at different ones, at none; written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from torch import Tensor
from transformers import IdeficsConfig, IdeficsForVisionText2Text
from vlm_checks import NEVER, left_padded, positions_of, relative

from showtell.core.masks import left_padded_mask
from showtell.fusion.idefics import load, to_hf
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig

VISION = dict(
    embed_dim=24, image_size=24, patch_size=8, intermediate_size=40, num_attention_heads=4, num_hidden_layers=3,
    hidden_act="gelu",
)  # fmt: skip
PERCEIVER = dict(
    use_resampler=True, resampler_n_latents=5, resampler_depth=2, resampler_n_heads=3, resampler_head_dim=10,
    qk_layer_norms_perceiver=True,
)  # fmt: skip


def reference_model(**fields: Any) -> Any:
    config = IdeficsConfig(
        vocab_size=59, additional_vocab_size=3, hidden_size=32, intermediate_size=44, num_hidden_layers=6,
        num_attention_heads=4, vision_config=dict(VISION), perceiver_config=dict(PERCEIVER), rms_norm_eps=1e-5,
        **fields,
    )  # fmt: skip
    return IdeficsForVisionText2Text(config).eval()


def whole() -> Any:
    return reference_model(cross_layer_interval=2, use_resampler=True, qk_layer_norms=True, alpha_type="vector")


def plain() -> Any:
    return reference_model(cross_layer_interval=1, use_resampler=False, alpha_type="float", tie_word_embeddings=True)


def looks_of(ids: Tensor, valid: Tensor) -> Tensor:
    """A token looks at the last picture before it: the first row has two, the second one."""
    looks = torch.zeros(*ids.shape, 2, dtype=torch.bool)
    looks[0, 2:6, 0], looks[0, 6:, 1], looks[1, -4:, 0] = True, True, True
    return looks & valid[..., None]


@torch.no_grad()
@pytest.mark.parametrize("make", [whole, plain])
def test_idefics_equals_transformers(make: Any, tmp_path: Path) -> None:
    reference = make()
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    pixels = noise(2, 2, 3, 24, 24)
    ids, valid = left_padded([[1, 5, 60, 7, 8, 9, 61, 11, 12, 13], [1, 60, 14, 15, 16, 17]])
    looks = looks_of(ids, valid)
    image_tokens = model.image_tokens(pixels.flatten(0, 1)).unflatten(0, (2, 2))
    inputs = {"pixel_values": pixels, "image_attention_mask": looks.long()}
    out = reference(input_ids=ids, attention_mask=valid.long(), **inputs)
    assert_close(image_tokens, out.image_hidden_states)

    looking = model.looking(image_tokens, looks)
    hidden = looking(model.decoder.embed(ids), positions_of(valid), left_padded_mask(valid, ids.shape[1]))
    assert relative(model.decoder.logits(hidden)[valid], out.logits[valid]) <= 1e-5

    reference.generation_config.eos_token_id = None
    written = reference.generate(
        input_ids=ids, attention_mask=valid.long(), max_new_tokens=32, do_sample=False, pad_token_id=0, **inputs
    )
    config = SamplingConfig(max_tokens=32)
    ours = generate(looking, model.decoder.embed(ids), valid, config, stop_id=NEVER)
    assert [row.ids for row in ours] == written[:, ids.shape[1] :].tolist()
    assert_same_files(to_hf(model, added=3), tmp_path)


@torch.no_grad()
def test_pictures_are_looked_at_only_where_allowed(tmp_path: Path) -> None:
    save_redrawn(whole(), tmp_path)
    model = load(tmp_path)
    ids, valid = left_padded([[1, 5, 60, 7, 8, 9, 61, 11, 12, 13], [1, 60, 14, 15, 16, 17]])
    looks, mask = looks_of(ids, valid), left_padded_mask(valid, ids.shape[1])
    tokens = noise(2, 2, 5, 24)
    other = tokens.clone()
    other[0, 1] += 1
    first, second = (
        model.looking(seen, looks)(model.decoder.embed(ids), positions_of(valid), mask) for seen in (tokens, other)
    )
    assert torch.equal(first[0, :6], second[0, :6]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0, 6:], second[0, 6:])
