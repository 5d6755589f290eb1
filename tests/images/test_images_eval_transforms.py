"""timm's and OpenCLIP's files: the steps they mean, by hand; torchvision, which would do them, is not here."""

import pytest

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.images.eval_transforms import processor_from_open_clip, processor_from_timm
from showtell.images.steps import CenterCrop, ShortestEdge, Stretch

HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


def test_timm() -> None:
    config = processor_from_timm(
        {"input_size": [3, 224, 224], "crop_pct": 0.9, "interpolation": "bicubic", **HALF}
    ).config
    assert config.steps == (ShortestEdge(shortest=248), CenterCrop(crop_height=224, crop_width=224, halves="even"))
    squashed = processor_from_timm({"input_size": [3, 20, 30], "crop_pct": 1.0, "crop_mode": "squash"}).config
    assert squashed.steps[0] == Stretch(height=20, width=30)
    for wrong in ({"crop_mode": "border"}, {"input_size": [3, 20, 30]}, {"interpolation": "random"}):
        with pytest.raises(ConfigError):
            processor_from_timm(wrong)


def test_open_clip() -> None:
    clip = processor_from_open_clip({"model_cfg": {"vision_cfg": {"image_size": 64}}, "preprocess_cfg": HALF}).config
    assert clip.steps == (ShortestEdge(shortest=64), CenterCrop(crop_height=64, crop_width=64, halves="even"))
    siglip = {"model_cfg": {"vision_cfg": {"image_size": 64}}, "preprocess_cfg": {"resize_mode": "squash"}}
    assert processor_from_open_clip(siglip).config.steps == (Stretch(height=64, width=64),)
    with pytest.raises(ConfigError, match="longest"):
        processor_from_open_clip({"preprocess_cfg": {"resize_mode": "longest"}})


def test_half_a_pixel_goes_to_the_even_side() -> None:
    for rest, down, even in ((1, 0, 0), (3, 1, 2), (5, 2, 2), (7, 3, 4)):
        frame = Frame(20 + rest, 20)
        assert CenterCrop(crop_height=20, crop_width=20).place(frame).left == -down
        assert CenterCrop(crop_height=20, crop_width=20, halves="even").place(frame).left == -even
