"""The reading half of Janus against `transformers`: two pictures in one padded batch, written tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, noise, save_redrawn
from safetensors.torch import load_file
from transformers import JanusConfig, JanusForConditionalGeneration
from vlm_checks import assert_same_greedy, assert_same_logits, left_padded

from showtell.core.errors import ConfigError
from showtell.fusion.janus import config_from_hf, load, to_hf

IMAGE = 3
VISION = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8, mlp_ratio=1.5,
    projection_dim=32, depth=2,
)  # fmt: skip
DRAWING = dict(
    embed_dim=4, num_embeddings=12, base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1, projection_dim=32,
    image_token_embed_dim=32, num_patches=4,
)  # fmt: skip
LLAMA = dict(
    model_type="llama", vocab_size=59, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=256,
)  # fmt: skip
PICTURE = [IMAGE] * 9


def janus(tied: bool) -> Any:
    config = JanusConfig(
        vision_config=dict(VISION), vq_config=dict(DRAWING), text_config=dict(LLAMA), image_token_id=IMAGE,
        tie_word_embeddings=tied,
    )  # fmt: skip
    return JanusForConditionalGeneration(config).eval()


@pytest.mark.parametrize("tied", [False, True])
def test_janus_equals_transformers(tied: bool, tmp_path: Path) -> None:
    reference = janus(tied)
    save_redrawn(reference, tmp_path)
    model = load(tmp_path)
    pixels = noise(2, 3, 24, 24)
    ids, valid = left_padded([[1, 5, *PICTURE, 7, 8, 9, 10, 11], [1, *PICTURE, 12]])
    with torch.no_grad():
        image_tokens = model.image_tokens(pixels)
        assert_close(image_tokens, reference.model.get_image_features(pixels).pooler_output)
    assert_same_logits(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    assert_same_greedy(model, image_tokens, reference, ids, valid, pixel_values=pixels)
    saved, written = load_file(tmp_path / "model.safetensors"), to_hf(model)
    left = {name.split(".")[1] for name in set(saved) - set(written)}
    assert left == {"vqmodel", "generation_embeddings", "generation_aligner", "generation_head"}
    assert all(torch.equal(saved[name], tensor) for name, tensor in written.items())


def test_what_is_not_supported_is_named() -> None:
    for change, message in (({"depth": 3}, "vision_config.depth: 3"), ({"use_qk_norm": True}, "use_qk_norm: True")):
        with pytest.raises(ConfigError, match=message):
            config_from_hf({"vision_config": VISION | change, "text_config": LLAMA})
