"""Several views of one picture: bit for bit the reference's tiles, grids and quarters, in its order, in batches too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.images.anyres import AnyResProcessor
from showtell.images.decode import Limits, decode
from showtell.images.families import processor_from_hf
from showtell.images.tiles import QuarterProcessor, TileProcessor, stack_tiles

ANY_SIZE = Limits(min_side=1)
EXTENTS = [(37, 53), (96, 41), (33, 33), (121, 50), (5, 9), (50, 121), (31, 2), (2, 40), (64, 64), (32, 32), (7, 300)]
GRIDS = [[24, 48], [48, 24], [48, 48], [72, 24], [24, 72]]
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "idefics3": ("idefics3", "Idefics3", {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}),
    "idefics3, odd": ("idefics3", "Idefics3", {"size": {"longest_edge": 101}, "max_image_size": {"longest_edge": 27}}),
    "idefics3, huge": (
        "idefics3",
        "Idefics3",
        {"size": {"longest_edge": 4200}, "max_image_size": {"longest_edge": 700}},
    ),
    "smolvlm": ("smolvlm", "SmolVLM", {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}),
    "smolvlm, one tile": ("smolvlm", "SmolVLM", {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 32}}),
    "smolvlm, unsplit": (
        "smolvlm",
        "SmolVLM",
        {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}, "do_image_splitting": False},
    ),
    "idefics2": ("idefics2", "Idefics2", {"size": {"shortest_edge": 20, "longest_edge": 45}}),
    "idefics2, quarters": (
        "idefics2",
        "Idefics2",
        {"size": {"shortest_edge": 20, "longest_edge": 45}, "do_image_splitting": True},
    ),
    "llava-next": (
        "llava_next",
        "LlavaNext",
        {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}, "image_grid_pinpoints": GRIDS},
    ),
    "llava-next, resized tiles": (
        "llava_next",
        "LlavaNext",
        {"size": {"shortest_edge": 29}, "crop_size": {"height": 24, "width": 24}, "image_grid_pinpoints": GRIDS},
    ),
    "onevision": (
        "llava_onevision",
        "LlavaOnevision",
        {"size": {"height": 24, "width": 24}, "image_grid_pinpoints": GRIDS},
    ),
}  # fmt: skip


def reference_of(kind: str, **settings: Any) -> Any:
    module, name, mine = KINDS[kind]
    imported = __import__(f"transformers.models.{module}.image_processing_pil_{module}", fromlist=[name])
    return getattr(imported, f"{name}ImageProcessorPil")(**{**mine, **settings})


def read_back(reference: Any, folder: Path) -> Any:
    reference.save_pretrained(folder)
    return processor_from_hf(json.loads((folder / "preprocessor_config.json").read_text()))


def colors(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def nested(kind: str) -> bool:
    return kind.startswith(("idefics", "smolvlm"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_tile_is_equal_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    reference = reference_of(kind)
    ours = read_back(reference, tmp_path)
    for height, width in EXTENTS[:2] if "huge" in kind else EXTENTS:
        image = Image.fromarray(colors(height, width))
        more = {"return_row_col_info": True} if "Idefics3" in KINDS[kind][1] or "Smol" in KINDS[kind][1] else {}
        theirs = reference([[image]] if nested(kind) else image, return_tensors="pt", **more)
        tiles = ours(decode(image, ANY_SIZE))
        assert torch.equal(tiles.pixels, theirs["pixel_values"][0]), (height, width)
        assert len(tiles.views) == len(tiles.pixels)
        if nested(kind):
            assert torch.equal(tiles.mask, theirs["pixel_attention_mask"][0].bool())
        if more:
            assert (tiles.rows, tiles.columns) == (theirs["rows"][0][0], theirs["cols"][0][0])
        if "image_sizes" in theirs:
            assert theirs["image_sizes"][0].tolist() == [height, width]
            assert tiles.rows * tiles.columns + 1 == len(tiles.pixels)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "huge" not in kind])
def test_a_batch_is_filled_up_as_the_reference_does(kind: str) -> None:
    reference = reference_of(kind)
    ours = processor_from_hf(reference.to_dict())
    assert isinstance(ours, TileProcessor | QuarterProcessor | AnyResProcessor)
    images = [Image.fromarray(colors(*extent)) for extent in EXTENTS[:5]]
    samples = [images[:1], images[1:4], images[4:]] if nested(kind) else [[image] for image in images]
    theirs = reference(samples if nested(kind) else images, return_tensors="pt")
    pixels, mask = stack_tiles([[ours(decode(image, ANY_SIZE)) for image in sample] for sample in samples])
    assert torch.equal(pixels, theirs["pixel_values"])
    if nested(kind):
        assert torch.equal(mask, theirs["pixel_attention_mask"].bool())


def test_several_pictures_in_one_prompt_are_shown_once_each() -> None:
    reference = reference_of("onevision")
    ours = processor_from_hf(reference.to_dict())
    assert isinstance(ours, AnyResProcessor)
    images = [Image.fromarray(colors(*extent)) for extent in EXTENTS[:4]]
    theirs = reference([images], return_tensors="pt")["pixel_values"]
    for image, wanted in zip(images, theirs, strict=True):
        assert torch.equal(ours.one_tile(decode(image, ANY_SIZE)).pixels, wanted)


def test_the_published_grids_are_the_defaults() -> None:
    for kind, size in (("llava-next", 336), ("onevision", 384)):
        module, name, _ = KINDS[kind]
        imported = __import__(f"transformers.models.{module}.image_processing_pil_{module}", fromlist=[name])
        said = {"size": {"height": size, "width": size}, "crop_size": {"height": size, "width": size}}
        reference = getattr(imported, f"{name}ImageProcessorPil")(**said)
        unsaid = {"image_processor_type": f"{name}ImageProcessor", **said}
        assert processor_from_hf(unsaid) == processor_from_hf(reference.to_dict())
