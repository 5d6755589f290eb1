"""Processor: pixel for pixel the reference's, and padding that is only padding."""

import numpy as np
import pytest
import torch
from PIL import Image

from showtell.core.config import from_dict, to_dict
from showtell.core.errors import ConfigError
from showtell.images.decode import decode
from showtell.images.normalize import CLIP_MEAN, CLIP_STD
from showtell.images.processor import Processor, ProcessorConfig

EXTENTS = [(37, 53), (96, 41), (33, 33), (121, 50), (8, 9), (50, 121)]


def picture(extent: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*extent, 3), dtype=np.uint8)


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("size", [29, 32])
def test_crop_is_clips(extent: tuple[int, int], size: int):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pixels = picture(extent)
    reference = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    theirs = reference(Image.fromarray(pixels), return_tensors="pt")["pixel_values"][0]
    ours = Processor(ProcessorConfig(image_size=size, mode="crop", mean=CLIP_MEAN, std=CLIP_STD))(decode(pixels))
    torch.testing.assert_close(ours.pixels, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("resample", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_stretch_is_vits(extent: tuple[int, int], resample: str):
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    pixels = picture(extent)
    kernel = Image.Resampling[resample.upper()]
    reference = ViTImageProcessorPil(size={"height": 29, "width": 29}, resample=kernel)
    theirs = reference(Image.fromarray(pixels), return_tensors="pt")["pixel_values"][0]
    ours = Processor(ProcessorConfig(image_size=29, mode="stretch", resample=resample))(decode(pixels))
    torch.testing.assert_close(ours.pixels, theirs, atol=1e-6, rtol=0)


def test_padding_is_the_fill_and_the_rest_is_the_picture():
    pixels = picture((20, 40))
    config = ProcessorConfig(image_size=40, fill=(255, 0, 51), mean=(0, 0, 0), std=(1, 1, 1))
    square = Processor(config)(decode(pixels)).pixels
    assert (square[:, 10:30].permute(1, 2, 0) * 255).round().to(torch.uint8).tolist() == pixels.tolist()
    for row in (0, 9, 30, 39):
        torch.testing.assert_close(square[:, row], torch.tensor([1.0, 0.0, 0.2])[:, None].expand(3, 40))


def test_a_very_thin_picture_keeps_at_least_one_pixel():
    square = Processor(ProcessorConfig(image_size=16, fill=(0, 0, 0)))(decode(np.full((8, 900, 3), 255, np.uint8)))
    assert (square.pixels > 0.9).any(dim=0).sum() == 16


def test_the_view_needs_no_pixels():
    processor = Processor(ProcessorConfig(image_size=24, mode="crop"))
    image = decode(picture((37, 53)))
    assert processor(image).view == processor.view(image.frame)


def test_the_configuration_is_plain_json_and_refuses_nonsense():
    config = ProcessorConfig(image_size=64, mode="crop", mean=CLIP_MEAN)
    assert from_dict(ProcessorConfig, to_dict(config)) == config
    for wrong in ({"image_size": 0}, {"std": [0.5, 0.0, 0.5]}, {"fill": [0, 0, 256]}, {"mode": "squash"}, {"size": 3}):
        with pytest.raises(ConfigError):
            from_dict(ProcessorConfig, wrong)
