"""SmoothProcessor: resizing in real numbers, between rescaling and normalising. DINOv3's way, and no other's.

    0..255  --scale-->  0..1  --resize, antialiased, nothing rounded-->  --normalise-->  float[3, height, width]

Pillow rounds the resized picture to whole grey levels; DINOv3's processor exists for torchvision only, which resizes
the scaled picture and keeps the fractions. The two differ by up to half a grey level everywhere. The arithmetic is
`resize_by_matrix`, equal to torch's antialiased interpolation, which is what torchvision calls.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.core.geometry import Frame
from showtell.images.decode import Picture
from showtell.images.levels import Levels
from showtell.images.normalize import normalize
from showtell.images.placement import chain_view
from showtell.images.processor import Processed
from showtell.images.resize import Kernel, resize_by_matrix
from showtell.images.steps import Stretch
from showtell.images.view import ViewTransform


@dataclass(frozen=True, kw_only=True)
class SmoothConfig:
    """How a picture becomes one array.

    height, width: extent after resizing, whatever the shape of the picture.
    resample: kernel.
    levels: scale, mean and std.
    """

    height: int
    width: int
    resample: Kernel = "bilinear"
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True)
class SmoothProcessor:
    """Picture -> Processed, by `config`."""

    config: SmoothConfig

    def __call__(self, picture: Picture) -> Processed:
        levels = self.config.levels
        return Processed(normalize(self.resized(picture), levels.mean, levels.std), self.view(picture.frame))

    def view(self, frame: Frame) -> ViewTransform:
        return chain_view((Stretch(height=self.config.height, width=self.config.width).place(frame),))

    def resized(self, picture: Picture) -> Float[Tensor, "3 height width"]:
        """The scaled picture after resizing."""
        scaled = torch.from_numpy(picture.pixels).permute(2, 0, 1).float() * self.config.levels.scale
        return resize_by_matrix(scaled, self.config.width, self.config.height, self.config.resample)
