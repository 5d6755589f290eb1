"""LLaVA-1.5 against `transformers`: image tokens, logits and written tokens of two pictures in one padded batch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from safetensors.torch import load_file, save_file
from transformers import LlavaConfig, LlavaForConditionalGeneration
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.errors import CheckpointError, ConfigError
from showtell.fusion.llava import config_from_hf, load, to_hf

IMAGE = 3
CLIP = dict(
    model_type="clip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    image_size=24, patch_size=8, projection_dim=12,
)  # fmt: skip
SIGLIP = dict(CLIP, model_type="siglip_vision_model", vision_use_head=False)
LLAMA = dict(
    model_type="llama", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=256,
)  # fmt: skip
QWEN = dict(LLAMA, model_type="qwen2", tie_word_embeddings=True)
PICTURE = [IMAGE] * 9
ROWS = [[1, 5, *PICTURE, 7, 8, 9, 10, 11], [1, *PICTURE, 12]]


def reference_model(
    vision: dict[str, object], text: dict[str, object], **fields: object
) -> LlavaForConditionalGeneration:
    config = LlavaConfig(vision_config=dict(vision), text_config=dict(text), image_token_index=IMAGE, **fields)
    return LlavaForConditionalGeneration(config).eval()


def clip_llama() -> LlavaForConditionalGeneration:
    return reference_model(CLIP, LLAMA)


def siglip_qwen() -> LlavaForConditionalGeneration:
    return reference_model(
        SIGLIP, QWEN, vision_feature_layer=-1, vision_feature_select_strategy="full", multimodal_projector_bias=False
    )


@pytest.mark.parametrize("make", [clip_llama, siglip_qwen])
def test_llava_equals_transformers(make: Callable[[], Any], tmp_path: Path) -> None:
    reference = make()
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    pixels = noise(2, 3, 24, 24)
    ids, valid = left_padded(ROWS)
    with torch.no_grad():
        image_tokens = model.image_tokens(pixels)
        theirs = torch.stack(list(reference.get_image_features(pixels).pooler_output))
    assert_close(image_tokens, theirs)
    assert_same_logits(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    assert_same_greedy(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    assert_same_files(to_hf(model), tmp_path)


def test_the_three_layouts_of_llava_files_are_one_model(tmp_path: Path) -> None:
    save_redrawn(clip_llama(), tmp_path)
    written = to_hf(load(tmp_path))
    current = load_file(tmp_path / "model.safetensors")
    published = {
        name.replace("vision_tower.", "vision_tower.vision_model."): tensor for name, tensor in current.items()
    }
    nested = {
        "model." + name.replace("language_model.model.", "language_model."): tensor for name, tensor in current.items()
    }
    nested["lm_head.weight"] = nested.pop("model.language_model.lm_head.weight")
    for layout in (published, nested):
        save_file(layout, tmp_path / "model.safetensors")
        again = to_hf(load(tmp_path))
        assert set(again) == set(written) and all(torch.equal(again[name], written[name]) for name in written)


def test_the_published_configuration_leaves_sizes_out() -> None:
    text = {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "vocab_size": 32064}
    vision = dict(
        model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096, image_size=336, patch_size=14,
        num_attention_heads=16, num_hidden_layers=24, projection_dim=768, vocab_size=32000,
    )  # fmt: skip
    config = config_from_hf(
        {"model_type": "llava", "image_token_index": 32000, "text_config": text, "vision_config": vision}
    )
    assert (config.decoder.dim, config.decoder.depth, config.decoder.mlp_dim) == (4096, 32, 11008)
    assert config.vision.feature_layer == -2 and config.vision.grid == (24, 24)


def test_what_is_not_supported_is_named(tmp_path: Path) -> None:
    save_redrawn(clip_llama(), tmp_path)
    data = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        ({"vision_feature_select_strategy": "full"}, "vision_feature_select_strategy: 'full'"),
        ({"vision_feature_layer": [-2, -5]}, "vision_feature_layer: expected a whole number"),
        ({"text_config": {"model_type": "mamba"}}, "text_config.model_type: 'mamba'"),
    ):
        with pytest.raises(ConfigError, match=message):
            config_from_hf(data | change)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["multi_modal_projector.linear_2.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="1 keys are missing, first: connector.down.bias"):
        load(tmp_path)
