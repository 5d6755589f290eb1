"""CLIP, SigLIP and SigLIP 2 as pairs against `transformers`: features and logits of pictures and padded captions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from reference import assert_close, assert_same_files, noise, save_redrawn
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from showtell.contrastive import clip, siglip
from showtell.vision import clip_vit, siglip2
from showtell.vision import siglip as siglip_vit
from showtell.vision.siglip2 import patch_list

VISION = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "image_size": 20,
    "patch_size": 4,
}
TEXT = {
    "vocab_size": 50,
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 28,
    "max_position_embeddings": 9,
    "bos_token_id": 48,
    "pad_token_id": 1,
}
CAPTIONS = torch.tensor([[48, 7, 3, 12, 30, 49, 1, 1], [48, 9, 49, 1, 1, 1, 1, 1], [48, 2, 5, 8, 13, 21, 34, 49]])
PIXELS = noise(2, 3, 20, 20)


def pairs_agree(ours: Any, reference: Any, pictures: Any, inputs: dict[str, Tensor], valid: Tensor | None) -> None:
    ids = inputs["input_ids"]
    with torch.no_grad():
        theirs = reference(**inputs)
        out = ours(pictures, ids, None if valid is None else valid.bool())
        text = ours.text(ids, None if valid is None else valid.bool())
        vision = ours.vision(pictures)
        pooled = ours.text_projection(text.pooled), ours.image_projection(vision.pooled)
    assert_close(out.images, theirs.image_embeds)
    assert_close(out.texts, theirs.text_embeds)
    assert_close(out.logits, theirs.logits_per_image)
    assert_close(text.tokens, theirs.text_model_output.last_hidden_state)
    assert_close(pooled[0], theirs.text_model_output.pooler_output)
    assert_close(pooled[1], theirs.vision_model_output.pooler_output)


@pytest.mark.parametrize("eos_id", [49, 2])
@pytest.mark.parametrize("masked", [True, False])
def test_clip(tmp_path: Path, eos_id: int, masked: bool) -> None:
    """`eos_token_id: 2` is the legacy of the first files: the largest id is pooled, though caption 3 holds a 2."""
    config = CLIPConfig(text_config={**TEXT, "eos_token_id": eos_id}, vision_config=VISION, projection_dim=20)
    reference = CLIPModel(config)
    save_redrawn(reference, tmp_path)
    ours = clip.load(tmp_path)
    valid = (CAPTIONS != 1).long() if masked else None
    inputs = {"input_ids": CAPTIONS, "pixel_values": PIXELS, "attention_mask": valid}
    pairs_agree(ours, reference, PIXELS, inputs, valid)
    assert_same_files(clip.to_hf(ours), tmp_path)


@pytest.mark.parametrize("masked", [True, False])
def test_siglip(tmp_path: Path, masked: bool) -> None:
    config = SiglipConfig(text_config={**TEXT, "projection_size": 24}, vision_config=VISION)
    reference = SiglipModel(config)
    save_redrawn(reference, tmp_path)
    ours = siglip.load(tmp_path)
    valid = (CAPTIONS != 1).long() if masked else None
    inputs = {"input_ids": CAPTIONS, "pixel_values": PIXELS, "attention_mask": valid}
    pairs_agree(ours, reference, PIXELS, inputs, valid)
    assert_same_files(siglip.to_hf(ours), tmp_path)
    with torch.no_grad():
        assert_close(siglip_vit.load(tmp_path)(PIXELS).pooled, ours.vision(PIXELS).pooled, tolerance=0)


def test_siglip2_of_native_size(tmp_path: Path) -> None:
    """Three shapes of picture in one batch, padded to 14 patches; one grid is larger than the table of positions."""
    vision = {**{k: v for k, v in VISION.items() if k != "image_size"}, "num_patches": 9}
    reference = Siglip2Model(Siglip2Config(text_config={**TEXT, "projection_size": 24}, vision_config=vision))
    save_redrawn(reference, tmp_path)
    ours = siglip.load(tmp_path)
    pictures = patch_list([noise(3, 8, 28), noise(3, 12, 12), noise(3, 8, 8)], patch_size=4, length=14)
    inputs = {
        "input_ids": CAPTIONS,
        "pixel_values": pictures.patches,
        "pixel_attention_mask": pictures.valid.long(),
        "spatial_shapes": torch.tensor(pictures.grids),
    }
    pairs_agree(ours, reference, pictures, inputs, None)
    with torch.no_grad():
        tokens = reference.vision_model(
            pictures.patches, inputs["pixel_attention_mask"], inputs["spatial_shapes"]
        ).last_hidden_state
        assert_close(ours.vision(pictures).tokens, tokens)
        assert_close(siglip2.load(tmp_path)(pictures).tokens, tokens)
    assert_same_files(siglip.to_hf(ours), tmp_path)


def test_the_tower_inside_a_pair_and_the_counters_of_older_files(tmp_path: Path) -> None:
    """Older files also store 0, 1, 2, ... under `position_ids`; they are known and left out."""
    config = CLIPConfig(text_config={**TEXT, "eos_token_id": 49}, vision_config=VISION, projection_dim=20)
    save_redrawn(CLIPModel(config), tmp_path)
    ours = clip.load(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    for side, count in (("text", 9), ("vision", 26)):
        tensors[f"{side}_model.embeddings.position_ids"] = torch.arange(count)[None]
    save_file(tensors, tmp_path / "model.safetensors")
    with torch.no_grad():
        assert_close(clip.load(tmp_path)(PIXELS, CAPTIONS).logits, ours(PIXELS, CAPTIONS).logits, tolerance=0)
        assert_close(clip_vit.load(tmp_path)(PIXELS).pooled, ours.vision(PIXELS).pooled, tolerance=0)


def test_early_files_say_the_text_tower_twice() -> None:
    """The reference takes `text_config_dict` and defaults; so do we."""
    data = {"text_config": {"eos_token_id": 2}, "text_config_dict": TEXT, "vision_config": VISION, "projection_dim": 20}
    theirs = CLIPConfig(**data).text_config
    ours = clip.config_from_hf(data).text
    assert (ours.dim, ours.eos_id, ours.pooling) == (theirs.hidden_size, theirs.eos_token_id, "eos")
