"""OpenCLIP's layout against open_clip 3.3.0 and timm 1.0.31, by numbers they computed.

Both import torchvision, and there is none for the CPU build of torch; so their outputs for three tiny pairs are kept in
`golden_open_clip.safetensors`, made once with stand-ins for it. Each pair was built from `PAIRS[...]` below (the trunk:
timm's `vit_base_patch16_siglip_224` with `TRUNK`'s sizes beside open_clip's `TextTransformer`) and filled with
`drawn(model.state_dict())`; our own model gives the names for the same draw, so a wrong name changes the numbers.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise
from safetensors.torch import load_file, save_file
from torch import Tensor

from showtell.contrastive import open_clip, open_clip_trunk
from showtell.contrastive.dual_encoder import DualEncoder
from showtell.core.errors import CheckpointError, ConfigError
from showtell.vision.vit import ViTConfig

GOLDEN = Path(__file__).with_name("golden_open_clip.safetensors")
IDS = torch.tensor([[48, 7, 3, 12, 30, 49, 0, 0, 0], [48, 9, 49, 5, 0, 0, 0, 0, 0], [48, 2, 5, 8, 13, 21, 34, 40, 49]])
PIXELS = noise(2, 3, 20, 12)
TEXT = {"context_length": 9, "vocab_size": 50, "width": 36, "heads": 3, "layers": 2, "mlp_ratio": 1.5}
VISION = {"image_size": [20, 12], "patch_size": 4, "width": 24, "head_width": 12, "layers": 3, "mlp_ratio": 2.5}
TRUNK = ViTConfig(image_size=(20, 12), patch_size=4, dim=24, depth=2, heads=3, mlp_dim=36, pooling="attention")
PAIRS: dict[str, dict[str, Any]] = {
    "plain": {"embed_dim": 20, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT},
    "custom": {
        "embed_dim": 20,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {**VISION, "no_ln_pre": True, "final_ln_after_pool": True, "act_kwargs": {"approximate": "tanh"}},
        "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 5, "norm_kwargs": {"eps": 1e-3}},
    },
    "trunk": {
        "embed_dim": 24,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": {"timm_model_name": "tiny", "timm_pool": "map", "timm_proj": "none", "image_size": [20, 12]},
        "text_cfg": {
            **TEXT,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
            "act_kwargs": {"approximate": "tanh"},
        },
    },
}


def drawn(tensors: Mapping[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    """Every tensor redrawn from N(0, 0.2), in order of its name."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(old.shape, generator=generator) * 0.2 for name, old in sorted(tensors.items())}


@pytest.mark.parametrize("pair", PAIRS)
def test_features_and_logits(tmp_path: Path, pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip_trunk.TRUNKS, "tiny", TRUNK)
    data = PAIRS[pair]
    custom = data.get("custom_text", False)
    empty = DualEncoder(open_clip.config_from_hf(data))
    save_file(drawn(open_clip.to_hf(empty, custom)), tmp_path / open_clip.WEIGHTS)
    (tmp_path / open_clip.CONFIG).write_text(json.dumps({"model_cfg": data, "preprocess_cfg": {}}))

    ours = open_clip.load(tmp_path)
    golden = {name.removeprefix(f"{pair}."): t for name, t in load_file(GOLDEN).items() if name.startswith(pair)}
    with torch.no_grad():
        out, vision, text = ours(PIXELS, IDS), ours.vision(PIXELS), ours.text(IDS)
        assert_close(ours.image_projection(vision.pooled), golden["image_features"])
        assert_close(ours.text_projection(text.pooled), golden["text_features"])
    assert_close(vision.tokens, golden["image_tokens"])
    assert_close(out.logits, golden["logits"])
    assert vision.grid == (5, 3)
    assert_same_files(open_clip.to_hf(ours, custom), tmp_path)


def test_what_is_not_supported_is_named(tmp_path: Path) -> None:
    plain = PAIRS["plain"]
    for part, name, value in (
        ("vision_cfg", "attentional_pool", True),
        ("vision_cfg", "timm_model_name", "convnext_base"),
        ("vision_cfg", "layers", [3, 4, 6, 3]),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "qk_norm", True),
        ("text_cfg", "proj_bias", True),
    ):
        with pytest.raises(ConfigError, match=f"{part}.{name}"):
            open_clip.config_from_hf({**plain, part: {**plain[part], name: value}})
    with pytest.raises(ConfigError, match="multimodal_cfg"):
        open_clip.config_from_hf({**plain, "multimodal_cfg": {"width": 8}})
    with pytest.raises(CheckpointError, match="open_clip_config.json"):
        open_clip.load(tmp_path)


def test_published_sizes() -> None:
    config = open_clip.config_from_hf(
        {
            "embed_dim": 768,
            "custom_text": True,
            "init_logit_bias": -10,
            "vision_cfg": {"image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map"},
            "text_cfg": {
                "context_length": 64,
                "vocab_size": 32000,
                "width": 768,
                "proj_bias": True,
                "pool_type": "last",
            },
        }
    )
    assert (config.vision.dim, config.vision.activation, config.text.head_dim_out) == (768, "gelu", 768)
