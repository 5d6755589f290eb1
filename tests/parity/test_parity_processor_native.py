"""Native resolution: the reference's extents, patches, masks and grids, bit for bit; extents of thousands of sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.core.errors import ImageError
from showtell.core.geometry import Frame
from showtell.images.decode import Limits, decode
from showtell.images.families import processor_from_hf
from showtell.images.native import BlockConfig, BlockProcessor, FlexConfig, FlexProcessor

ANY_SIZE = Limits(min_side=1)
EXTENTS = [(37, 53), (96, 41), (33, 33), (121, 50), (5, 9), (50, 121), (31, 1), (1, 40), (200, 300)]
BLOCKS: list[dict[str, Any]] = [
    {"patch_size": 4, "merge_size": 2, "temporal_patch_size": 2, "size": {"shortest_edge": 900, "longest_edge": 5000}},
    {"patch_size": 5, "merge_size": 3, "temporal_patch_size": 1, "size": {"shortest_edge": 100, "longest_edge": 2000}},
    {"patch_size": 14, "min_pixels": 28 * 28 * 4, "max_pixels": 28 * 28 * 20},
]
FLEX: list[dict[str, Any]] = [
    {"patch_size": 5, "max_num_patches": 30},
    {"patch_size": 16, "max_num_patches": 256},
    {"patch_size": 3, "max_num_patches": 7, "resample": 3},
]


def colors(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read_back(reference: Any, folder: Path) -> Any:
    reference.save_pretrained(folder)
    return processor_from_hf(json.loads((folder / "preprocessor_config.json").read_text()))


@pytest.mark.parametrize("settings", BLOCKS)
def test_blocks_are_qwen2_vls(settings: dict[str, Any], tmp_path: Path) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    reference = Qwen2VLImageProcessorPil(**settings)
    ours = read_back(reference, tmp_path)
    images = [Image.fromarray(colors(*extent)) for extent in EXTENTS]
    theirs = reference(images, return_tensors="pt")
    made = [ours(decode(image, ANY_SIZE)) for image in images]
    assert torch.equal(torch.cat([patches.patches for patches in made]), theirs["pixel_values"])
    assert [list(patches.grid) for patches in made] == theirs["image_grid_thw"].tolist()
    assert all(patches.mask.all() for patches in made)


@pytest.mark.parametrize("settings", FLEX)
def test_flexible_patches_are_siglip_2s(settings: dict[str, Any], tmp_path: Path) -> None:
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    reference = Siglip2ImageProcessorPil(**settings)
    ours = read_back(reference, tmp_path)
    images = [Image.fromarray(colors(*extent)) for extent in EXTENTS]
    theirs = reference(images, return_tensors="pt")
    made = [ours(decode(image, ANY_SIZE)) for image in images]
    assert torch.equal(torch.stack([patches.patches for patches in made]), theirs["pixel_values"])
    assert torch.equal(torch.stack([patches.mask for patches in made]), theirs["pixel_attention_mask"].bool())
    assert [list(patches.grid[1:]) for patches in made] == theirs["spatial_shapes"].tolist()


def test_extents_are_the_references_for_thousands_of_sizes() -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
    from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

    rng = np.random.default_rng(0)
    blocks, flex = BlockProcessor(BlockConfig()), FlexProcessor(FlexConfig())
    for width, height in rng.integers(1, 4000, (4000, 2)).tolist():
        frame = Frame(width, height)
        ours = flex.extent(frame)
        assert (ours.height, ours.width) == get_image_size_for_max_num_patches(height, width, 16, 256)
        if max(width, height) <= 200 * min(width, height):
            ours = blocks.extent(frame)
            assert (ours.height, ours.width) == smart_resize(height, width, 28, 56 * 56, 28 * 28 * 1280)


def test_a_ribbon_is_refused_in_words() -> None:
    with pytest.raises(ImageError, match="200 times longer than wide"):
        BlockProcessor(BlockConfig()).extent(Frame(1000, 4))
