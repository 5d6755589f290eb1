"""Levels: what each of the 256 grey levels becomes, looked up instead of computed.

    value[channel][v] = ((v * scale + shift) - mean[channel]) / std[channel]          v = 0..255

A processed picture holds at most 256 different numbers a channel, so three columns of 256 are the whole of rescaling
and normalising. The columns are computed with the reference's own roundings (scaled in double precision, then single
precision throughout), so that the numbers are equal to the last bit and not merely close, and a large picture costs
one pass over its bytes.

`images/normalize.py` is the same arithmetic on tensors, with its inverse.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.images.normalize import HALF_MEAN, HALF_STD

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How grey levels become numbers.

    scale: each level is multiplied by this; 1 / 255 brings 0..255 to 0..1.
    shift: added after that; -1 with a scale of 1 / 127.5 brings 0..255 to -1..1 (EfficientNet's `rescale_offset`).
    mean: subtracted from each channel.
    std: divides each channel.
    std_twice: divide by `std` a second time (EfficientNet's `include_top`).
    """

    scale: float = 1 / 255
    shift: float = 0.0
    mean: Triple = HALF_MEAN
    std: Triple = HALF_STD
    std_twice: bool = False

    def __post_init__(self) -> None:
        if not all(value > 0 for value in (self.scale, *self.std)):
            raise ConfigError(f"scale and std must be positive, not {self.scale} and {self.std}")

    def __call__(self, pixels: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "3 height width"]:
        """Channels first, float32."""
        planes = torch.empty((3, *pixels.shape[:2]))
        self.fill(pixels, planes)
        return planes

    def fill(self, pixels: UInt8[np.ndarray, "height width 3"], planes: Float[Tensor, "3 height width"]) -> None:
        """`planes[:] = self(pixels)`, written into memory that is already there."""
        out = planes.numpy()
        for channel, column in enumerate(level_table(self)):
            np.take(column, pixels[:, :, channel], out=out[channel], mode="clip")


@lru_cache(maxsize=32)
def level_table(levels: Levels) -> Float[np.ndarray, "3 256"]:
    """Row `channel` holds the numbers of the grey levels 0..255."""
    scaled = (np.arange(256, dtype=np.float64) * levels.scale).astype(np.float32) + np.float32(levels.shift)
    mean, std = (np.array(triple, dtype=np.float32)[:, None] for triple in (levels.mean, levels.std))
    table = (scaled - mean) / std  # (3, 256)
    return table / std if levels.std_twice else table
