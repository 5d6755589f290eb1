"""From pictures to logits and written tokens: our processor and model against the reference's, family by family.

One prompt with two pictures of unlike shapes, one with a third; every family through the same three calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import save_redrawn
from test_parity_vlm_anyres import FEW, LLAMA, MANY, next_model, onevision_model
from test_parity_vlm_blip2 import reference_model as blip2_model
from test_parity_vlm_idefics2 import reference_model as idefics2_model
from test_parity_vlm_idefics3 import idefics3, smolvlm
from test_parity_vlm_janus import janus
from test_parity_vlm_llava import clip_llama
from test_parity_vlm_paligemma import GEMMA
from test_parity_vlm_paligemma import reference_model as paligemma_model
from test_parity_vlm_qwen2 import qwen2, qwen2_5
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from vlm_checks import NEVER, assert_same_greedy, assert_same_logits, reference_greedy

from showtell.core.errors import CheckpointError
from showtell.fusion.families import FAMILIES, load_vlm
from showtell.fusion.image_plan import ImageLayout
from showtell.fusion.reply import reply
from showtell.images.decode import decode
from showtell.text.sampling import SamplingConfig

IMAGE = 3


def nothing(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {}


def prefix_kinds(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"token_type_ids": torch.zeros_like(ids)}


def picture_kinds(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"mm_token_type_ids": (ids == IMAGE).int()}


@dataclass
class Case:
    """A tiny reference model, its processor, and what its forward wants besides pixels."""

    model: Callable[[], Any]
    processor: Any
    nested: bool = False
    extra: Callable[[torch.Tensor], dict[str, torch.Tensor]] = nothing


SQUARE = {"height": 24, "width": 24}
CASES = {
    "llava": Case(clip_llama, CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=SQUARE)),
    "llava_next": Case(
        lambda: next_model(LLAMA),
        LlavaNextImageProcessorPil(
            size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}, image_grid_pinpoints=FEW
        ),
    ),
    "llava_onevision": Case(
        onevision_model,
        LlavaOnevisionImageProcessorPil(size={"height": 20, "width": 20}, image_grid_pinpoints=MANY),
        nested=True,
    ),
    "paligemma": Case(lambda: paligemma_model(GEMMA, IMAGE), SiglipImageProcessorPil(size=SQUARE), extra=prefix_kinds),
    "idefics2": Case(
        idefics2_model,
        Idefics2ImageProcessorPil(size={"shortest_edge": 8, "longest_edge": 28}, do_image_splitting=True),
        nested=True,
    ),
    "idefics3": Case(
        lambda: idefics3(False),
        Idefics3ImageProcessorPil(size={"longest_edge": 72}, max_image_size={"longest_edge": 36}),
        nested=True,
    ),
    "smolvlm": Case(
        lambda: smolvlm(True),
        SmolVLMImageProcessorPil(size={"longest_edge": 108}, max_image_size={"longest_edge": 36}),
        nested=True,
    ),
    "qwen2_vl": Case(
        lambda: qwen2(False),
        Qwen2VLImageProcessorPil(patch_size=4, size={"shortest_edge": 64, "longest_edge": 1600}),
        extra=picture_kinds,
    ),
    "qwen2_5_vl": Case(
        lambda: qwen2_5(True),
        Qwen2VLImageProcessorPil(patch_size=4, size={"shortest_edge": 64, "longest_edge": 1600}),
        extra=picture_kinds,
    ),
    "blip-2": Case(blip2_model, BlipImageProcessorPil(size=SQUARE)),
    "janus": Case(lambda: janus(False), JanusImageProcessorPil(size=SQUARE, min_size=4)),
}


def prompt(layouts: list[ImageLayout]) -> torch.Tensor:
    """Ids of a prompt: words between pictures, one id for whatever announces a run of image tokens."""
    ids = [1, 8]
    for layout in layouts:
        for piece in layout.pieces:
            ids += [7] * bool(piece.before) + [IMAGE] * piece.tokens
        ids += [7, 9]
    return torch.tensor([[*ids, 10, 11]])


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[(57, 31), (23, 66)], [(40, 90)]], ids=["two pictures", "one"])
@pytest.mark.parametrize("family", CASES)
def test_pictures_to_written_tokens(family: str, sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    case = CASES[family]
    reference = case.model()
    save_redrawn(reference, tmp_path)
    case.processor.save_pretrained(tmp_path)
    published = load_vlm(tmp_path)

    generator = np.random.default_rng(3)
    arrays = [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in sizes]
    pictures = [decode(array) for array in arrays]
    layouts = published.sight.layouts([picture.frame for picture in pictures])
    image_tokens = published.sight.see(pictures)
    assert image_tokens.shape[1] == sum(layout.tokens for layout in layouts)

    inputs = dict(case.processor(images=[arrays] if case.nested else arrays, return_tensors="pt"))
    ids = prompt(layouts)
    valid = torch.ones_like(ids, dtype=torch.bool)
    reading = published.sight.reading(ids, valid, [picture.frame for picture in pictures])
    told = {"positions": reading.positions, "mask": reading.mask, "unwindowed": reading.unwindowed}
    shown = {**inputs, **case.extra(ids)}
    assert_same_logits(published.model, image_tokens, reference, ids, valid, **told, **shown)
    assert_same_greedy(published.model, image_tokens, reference, ids, valid, **told, **shown)


def test_every_family_is_shown_pictures_here() -> None:
    assert set(CASES) == set(FAMILIES)


def test_files_of_different_models_are_refused(tmp_path: Path) -> None:
    save_redrawn(clip_llama(), tmp_path)
    CASES["qwen2_vl"].processor.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="is a BlockProcessor, but llava is shown pictures by a FixedProcessor"):
        load_vlm(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(CheckpointError, match="model_type 'mamba' is not known here"):
        load_vlm(tmp_path)


@torch.no_grad()
@pytest.mark.parametrize("family", CASES)
def test_half_precision_sees_nearly_the_same(family: str, tmp_path: Path) -> None:
    """bfloat16 weights: no step insists on float32, and what is seen stays close."""
    save_redrawn(CASES[family].model(), tmp_path, std=0.1)
    CASES[family].processor.save_pretrained(tmp_path)
    published = load_vlm(tmp_path)
    pictures = [decode(np.random.default_rng(3).integers(0, 256, (41, 60, 3), dtype=np.uint8))]
    frames = [picture.frame for picture in pictures]
    ids = prompt(published.sight.layouts(frames))
    reading = published.sight.reading(ids, torch.ones_like(ids, dtype=torch.bool), frames)

    def logits() -> torch.Tensor:
        hidden = published.model.read(
            published.sight.see(pictures), ids, reading.positions, reading.mask, reading.unwindowed
        )
        return published.model.decoder.logits(hidden)

    whole = logits()
    published.model.to(torch.bfloat16)
    half = logits()
    assert half.dtype == torch.bfloat16
    assert (half.float() - whole).abs().max() <= 0.1 * whole.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("family", CASES)
def test_a_reply_is_what_the_reference_writes_without_placeholders(family: str, tmp_path: Path) -> None:
    case = CASES[family]
    reference = case.model()
    save_redrawn(reference, tmp_path)
    case.processor.save_pretrained(tmp_path)
    published = load_vlm(tmp_path)
    array = np.random.default_rng(5).integers(0, 256, (47, 38, 3), dtype=np.uint8)
    pictures = [decode(array)]
    ids = prompt(published.sight.layouts([picture.frame for picture in pictures]))
    config, words = SamplingConfig(max_tokens=32), ids[0].tolist()
    ours = reply(published.model, published.sight, words, pictures, config, stop_id=NEVER)
    inputs = dict(case.processor(images=[[array]] if case.nested else [array], return_tensors="pt"))
    mask = torch.ones_like(ids, dtype=torch.bool)
    expected = reference_greedy(reference, ids, mask, bad_words_ids=[[IMAGE]], **inputs, **case.extra(ids))
    assert ours.ids == expected[0] and IMAGE not in ours.ids
    assert len(reply(published.model, published.sight, [1, 8, 9], [], config, stop_id=NEVER).ids) == 32


def test_a_placeholder_beyond_the_vocabulary_can_be_read(tmp_path: Path) -> None:
    save_redrawn(paligemma_model(GEMMA, 70), tmp_path)
    CASES["paligemma"].processor.save_pretrained(tmp_path)
    published = load_vlm(tmp_path)
    pictures = [decode(np.zeros((30, 40, 3), dtype=np.uint8))]
    written = reply(published.model, published.sight, [70] * 9 + [2, 5], pictures, stop_id=NEVER)
    assert len(written.ids) == SamplingConfig().max_tokens
