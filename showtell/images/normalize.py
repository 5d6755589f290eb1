"""Grey levels to the numbers a network was trained on, and back.

    uint8 0..255, (height, width, 3)  --/255-->  float 0..1, (3, height, width)  --(x - mean) / std-->  about -2..2

`mean` and `std` are one value a channel. They belong to a checkpoint as much as its weights do: the wrong pair costs a
few points of accuracy and raises no error.

Not here: choosing the pair (the configuration of a processor), colour spaces.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF_MEAN, HALF_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # maps 0..1 to -1..1: ViT, SigLIP, this library's own models


def to_float(pixels: UInt8[np.ndarray, "height width channels"]) -> Float[Tensor, "channels height width"]:
    """Channels first, 0..255 -> 0..1, float32."""
    return torch.from_numpy(pixels).permute(2, 0, 1).to(torch.float32, memory_format=torch.contiguous_format) / 255


def to_uint8(image: Float[Tensor, "channels height width"]) -> UInt8[np.ndarray, "height width channels"]:
    """The inverse of `to_float`, rounding to the nearest grey level and clipping what lies outside 0..1."""
    return (image.detach().cpu() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def normalize(
    image: Float[Tensor, "*batch channels height width"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*batch channels height width"]:
    """(image - mean) / std, channel by channel."""
    return (image - _per_channel(mean, image)) / _per_channel(std, image)


def denormalize(
    image: Float[Tensor, "*batch channels height width"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*batch channels height width"]:
    """The inverse of `normalize`, to look at what a network was given."""
    return image * _per_channel(std, image) + _per_channel(mean, image)


def _per_channel(values: Sequence[float], image: Tensor) -> Float[Tensor, "channels 1 1"]:
    return torch.tensor(values, dtype=image.dtype, device=image.device)[:, None, None]
