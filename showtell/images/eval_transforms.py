"""How timm and OpenCLIP prepare a picture for evaluation, from their own files.

    timm      config.json, `pretrained_cfg`               crop_pct 0.875, 224 ->  ShortestEdge(256), CenterCrop(224)
    OpenCLIP  open_clip_config.json, `preprocess_cfg`     "shortest"          ->  ShortestEdge(224), CenterCrop(224)
                                                          "squash" (SigLIP)   ->  Stretch(224)
Both use torchvision on Pillow images: the same kernels, the same rounding down of the longer side, but half a pixel of
a crop goes to the even side. Hugging Face's own files are read by `images/families.py`.
"""

from collections.abc import Mapping
from math import floor
from typing import Any

from showtell.core.errors import ConfigError
from showtell.images.fixed import FixedConfig, FixedProcessor
from showtell.images.levels import Levels
from showtell.images.normalize import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from showtell.images.resize import PILLOW, Kernel
from showtell.images.settings import triple
from showtell.images.steps import CenterCrop, ShortestEdge, Step, Stretch


def processor_from_timm(config: Mapping[str, Any]) -> FixedProcessor:
    """Of the `pretrained_cfg` in timm's config.json; raises ConfigError naming a setting that is not known here."""
    said = {"interpolation": "bicubic", "crop_pct": 0.875, "mean": IMAGENET_MEAN, "std": IMAGENET_STD, **config}
    _, height, width = said.get("input_size", (3, 224, 224))
    scaled = [floor(side / said["crop_pct"]) for side in (height, width)]
    crop = CenterCrop(crop_height=height, crop_width=width, halves="even")
    mode = said.get("crop_mode", "center")
    if mode == "squash":
        return processor((Stretch(height=scaled[0], width=scaled[1]), crop), said)
    if mode != "center" or height != width:
        raise ConfigError(f"pretrained_cfg.crop_mode: {mode!r} to {width} x {height} is not known here")
    return processor((ShortestEdge(shortest=scaled[0]), crop), said)


def processor_from_open_clip(config: Mapping[str, Any]) -> FixedProcessor:
    """Of an open_clip_config.json; raises ConfigError naming a setting that is not known here."""
    size = config.get("model_cfg", {}).get("vision_cfg", {}).get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    said = {"interpolation": "bicubic", "mean": CLIP_MEAN, "std": CLIP_STD, **config.get("preprocess_cfg", {})}
    mode = said.get("resize_mode", "shortest")
    if mode == "squash":
        return processor((Stretch(height=height, width=width),), said)
    if mode != "shortest" or height != width:
        raise ConfigError(f"preprocess_cfg.resize_mode: {mode!r} to {width} x {height} is not known here")
    crop = CenterCrop(crop_height=height, crop_width=width, halves="even")
    return processor((ShortestEdge(shortest=height), crop), said)


def processor(steps: tuple[Step, ...], said: Mapping[str, Any]) -> FixedProcessor:
    kernel: Kernel | None = next((name for name in PILLOW if name == said["interpolation"]), None)
    if kernel is None:
        raise ConfigError(f"interpolation: {said['interpolation']!r} is not one of {', '.join(PILLOW)}")
    levels = Levels(mean=triple(said, "mean"), std=triple(said, "std"))
    return FixedProcessor(FixedConfig(steps=steps, resample=kernel, levels=levels))
