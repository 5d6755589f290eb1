"""The microscope: nothing to see on equal sides, and fourteen planted faults, each named at its stage with its reason.

The faults are put into our side of a LLaVA that the reference saved; the reference's stages are taken once.
"""

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from reference import redraw, save_redrawn
from test_load import KINDS
from test_parity_vlm_pictures import CASES
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from showtell.images.fixed import FixedProcessor
from showtell.images.levels import Levels
from showtell.images.steps import CenterCrop, ShortestEdge
from showtell.instruct.published import Published
from showtell.load import load
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell_parity import __main__ as microscope
from showtell_parity import ours, theirs
from showtell_parity.compare import report

TEXT = "what is this?"
VISION: dict[str, Any] = dict(
    model_type="clip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    image_size=28, patch_size=7,
)  # fmt: skip
WORDS: dict[str, Any] = dict(
    model_type="llama", vocab_size=330, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=44, max_position_embeddings=64,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA with processor and tokenizer, as the reference saves one, and a picture that EXIF turns."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("llava")
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=VISION, text_config=WORDS, image_token_index=321))
    redraw(model)
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    tokenizer = train_tokenizer(["what is this? a dog"] * 3, 320, ("<image>",))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer.rust).save_pretrained(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (65, 46, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.png", exif=exif)
    return folder


@pytest.fixture(scope="module")
def reference(folder: Path) -> dict[str, torch.Tensor]:
    """The reference's stages; a picture of CLIP is 16 words here."""
    return theirs.stages_of(folder, "vision-language model", str(folder / "turned.png"), TEXT, 16)


def examine(found: Published, folder: Path, reference: dict[str, torch.Tensor]) -> dict[str, Any]:
    mine = ours.stages_of(found, str(folder / "turned.png"), microscope.words_of(found, TEXT))
    return report(found.family, mine, reference, microscope.kernels(found, folder))


def opened(folder: Path) -> Published:
    found = load(folder)
    assert isinstance(found, Published)
    return found


def test_equal_sides_have_no_first_difference(folder: Path, reference: dict[str, torch.Tensor]) -> None:
    found = examine(opened(folder), folder, reference)
    assert json.loads(json.dumps(found)) == found
    assert found["first_difference"] is None and found["max_abs_diff"] < 1e-3
    assert [stage["name"] for stage in found["stages"]] == [
        "decoded pixels", "resized pixels", "pixel values", "prompt ids", "vision.patches", "vision.embedded",
        "vision.blocks.0", "vision.blocks.1", "connector", "text.embedded", "text.blocks.0", "text.blocks.1", "logits",
    ]  # fmt: skip


@pytest.mark.parametrize("family", CASES)
def test_every_family_can_be_looked_at(family: str, tmp_path: Path) -> None:
    case = CASES[family]
    save_redrawn(case.model(), tmp_path)
    case.processor.save_pretrained(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (41, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    found = microscope.examine(opened(tmp_path), tmp_path, str(tmp_path / "a.png"), TEXT)
    assert found["first_difference"] is None, found
    names = {stage["name"] for stage in found["stages"]}
    assert {"pixel values", "prompt ids", "vision.embedded", "vision.blocks.0", "text.blocks.1", "logits"} <= names


@pytest.mark.parametrize("kind", ["vit", "classifier", "clip", "llama"])
def test_towers_pairs_and_language_models_too(kind: str, tmp_path: Path) -> None:
    KINDS[kind][0](tmp_path)
    if kind == "classifier":
        ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (41, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    found = microscope.examine(opened(tmp_path), tmp_path, str(tmp_path / "a.png"), TEXT)
    assert found["first_difference"] is None, found
    assert len(found["stages"]) >= 5


def with_processor(found: Published, **changes: Any) -> Published:
    """The same checkpoint with another picture pipeline, in its sight too."""
    assert isinstance(found.processor, FixedProcessor)
    processor = FixedProcessor(dataclasses.replace(found.processor.config, **changes))
    sight: Any = found.sight
    return dataclasses.replace(found, processor=processor, sight=dataclasses.replace(sight, processor=processor))


def other_levels(found: Published, **changes: Any) -> Published:
    assert isinstance(found.processor, FixedProcessor)
    levels: Levels = dataclasses.replace(found.processor.config.levels, **changes)
    return with_processor(found, levels=levels)


def other_kernel(found: Published) -> Published:
    return with_processor(found, resample="lanczos")


def other_half_pixel(found: Published) -> Published:
    """65 x 46 becomes 39 x 28, and the 11 columns too many are cut 5 and 6, or 6 and 5."""
    crop = CenterCrop(crop_height=28, crop_width=28, halves="even")
    return with_processor(found, steps=(ShortestEdge(shortest=28), crop))


def other_mean(found: Published) -> Published:
    return other_levels(found, mean=(0.485, 0.456, 0.406))


def other_std(found: Published) -> Published:
    return other_levels(found, std=(0.5, 0.5, 0.5))


def other_words(found: Published) -> Published:
    assert found.tokenizer is not None
    tokenizer: Tokenizer = train_tokenizer(["this is what it was"] * 3, 320, ("<image>",))
    return dataclasses.replace(found, tokenizer=tokenizer)


def changed(edit: Callable[[Any], None]) -> Callable[[Published], Published]:
    """A fault inside the model, edited in place."""

    def fault(found: Published) -> Published:
        with torch.no_grad():
            edit(found.model)
        return found

    return fault


def swap_colors(model: Any) -> None:
    weight = model.vision.patches.weight if hasattr(model.vision.patches, "weight") else next(
        parameter for parameter in model.vision.patches.parameters() if parameter.dim() == 4
    )  # fmt: skip
    weight.copy_(weight.flip(1).clone())


def shift_positions(model: Any) -> None:
    positions = model.vision.positions
    table = positions if isinstance(positions, torch.Tensor) else next(positions.parameters())
    table.copy_(table.roll(1, dims=-2).clone())


def swap_queries_and_keys(model: Any) -> None:
    attention = model.vision.blocks[1].attn
    q, k = attention.q.weight.clone(), attention.k.weight.clone()
    attention.q.weight.copy_(k)
    attention.k.weight.copy_(q)


def wrong_epsilon(model: Any) -> None:
    model.vision.blocks[0].norm1.eps = 1e-2


def scale_bridge(model: Any) -> None:
    next(iter(model.connector.parameters())).mul_(1.5)


def wrong_embedding(model: Any) -> None:
    model.decoder.embedding.weight.mul_(1.5)


def wrong_rope(model: Any) -> None:
    model.decoder.config = dataclasses.replace(model.decoder.config, rope_base=100.0)


def no_last_norm(model: Any) -> None:
    model.decoder.norm = torch.nn.Identity()


FAULTS: dict[str, tuple[Callable[[Published], Published], str, str]] = {
    "kernel": (other_kernel, "resized pixels", "resize: lanczos here, bicubic there"),
    "crop": (other_half_pixel, "resized pixels", "one pixel aside"),
    "mean": (other_mean, "pixel values", "another mean"),
    "std": (other_std, "pixel values", "another std"),
    "tokenizer": (other_words, "prompt ids", "from id 16 on"),
    "colors": (changed(swap_colors), "vision.patches", "order of the channels"),
    "positions": (changed(shift_positions), "vision.embedded", "positions"),
    "queries and keys": (changed(swap_queries_and_keys), "vision.blocks.1", "attention"),
    "epsilon": (changed(wrong_epsilon), "vision.blocks.0", "epsilon"),
    "connector": (changed(scale_bridge), "connector", "connector"),
    "embedding": (changed(wrong_embedding), "text.embedded", "word embedding"),
    "rotation": (changed(wrong_rope), "text.blocks.0", "rotation"),
    "last norm": (changed(no_last_norm), "logits", "last norm"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str, folder: Path, reference: dict[str, torch.Tensor]) -> None:
    plant, stage, said = FAULTS[fault]
    first = examine(plant(opened(folder)), folder, reference)["first_difference"]
    assert first is not None and first["stage"] == stage, first
    assert said in first["reason"], first


def test_a_photo_that_was_not_turned_is_named(
    folder: Path, reference: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["showtell.images.decode"], "_upright", lambda image: image)
    first = examine(opened(folder), folder, reference)["first_difference"]
    assert first == {"stage": "decoded pixels", "reason": "decode: turned by EXIF on one side only"}


def test_the_command_prints_the_agreed_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from showtell.cli.main import main

    assert main(["parity", str(folder), "--picture", str(folder / "turned.png"), "--text", TEXT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"family", "max_abs_diff", "stages", "first_difference"}
    assert found["family"] == "llava" and found["first_difference"] is None
    assert main(["parity", str(folder / "nowhere")]) == 2
    assert "no model" in " ".join(capsys.readouterr().err.split())
