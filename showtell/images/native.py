"""Native resolution: as many patches as the picture deserves, instead of one square for all.

    Qwen2-VL   sides rounded to whole blocks of 2 x 2 patches, area between min_pixels and max_pixels
               patches (rows * columns, channels * 2 * P * P), block by block; `grid` = (1, rows, columns)

        ┌───┬───┐┌───┬───┐     the four patches of a block become one image token, so they stand next to each other;
        │ 0 │ 1 ││ 4 │ 5 │     each patch holds two moments, for video; a still picture is both
        ├───┼───┤├───┼───┤
        │ 2 │ 3 ││ 6 │ 7 │     inside a patch: channel, moment, row, column
        └───┴───┘└───┴───┘
    SigLIP 2   ("NaFlex") sides rounded up to patches, the largest scale with at most max_patches of them
               patches (max_patches, P * P * channels), row by row, zeros at the end; `mask` says which are real
                                                              inside a patch: row, column, channel

Both stretch the picture a little (each side is rounded on its own), which the view undoes. The extents follow the
reference to the pixel, its search by halving included: they decide how many tokens a picture costs.
"""

from dataclasses import dataclass, field
from math import ceil, floor, sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from showtell.core.errors import ConfigError, ImageError
from showtell.core.geometry import Frame
from showtell.images.decode import Picture
from showtell.images.levels import Levels
from showtell.images.patchify import patchify
from showtell.images.placement import Placement
from showtell.images.resize import Kernel
from showtell.images.view import ViewTransform

THINNEST = 200  # longer / shorter side beyond which Qwen2-VL's reference refuses


@dataclass(frozen=True, eq=False)
class Patches:
    """What a tower of any resolution is given.

    patches: one a row; zeros where `mask` is False.
    mask: True for patches of the picture.
    grid: (moments, rows, columns) of patches; their product is the number of True in `mask`.
    view: from the original to the pixels that were cut into patches.
    """

    patches: Float[Tensor, "patches values"]
    mask: Bool[Tensor, "patches"]
    grid: tuple[int, int, int]
    view: ViewTransform


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """Qwen2-VL's and Qwen2.5-VL's way.

    patch_size: side of a patch in pixels.
    merge_size: patches along a side of the block that becomes one image token.
    moments: frames a patch holds (`temporal_patch_size`); a still picture is repeated.
    min_pixels, max_pixels: area after resizing.
    resample: kernel.
    levels: grey levels to numbers.
    """

    patch_size: int = 14
    merge_size: int = 2
    moments: int = 2
    min_pixels: int = 56 * 56
    max_pixels: int = 28 * 28 * 1280
    resample: Kernel = "bicubic"
    levels: Levels = field(default_factory=Levels)

    def __post_init__(self) -> None:
        if (
            min(self.patch_size, self.merge_size, self.moments, self.min_pixels) < 1
            or self.max_pixels < self.min_pixels
        ):
            raise ConfigError(f"sizes must be positive and min_pixels <= max_pixels, not {self}")


@dataclass(frozen=True)
class BlockProcessor:
    """Picture -> Patches, by `config`."""

    config: BlockConfig

    def __call__(self, picture: Picture) -> Patches:
        config, pixels = self.config, self.pixels(picture)
        block, patch = config.merge_size, config.patch_size
        rows, columns = pixels.shape[0] // patch, pixels.shape[1] // patch
        blocks = pixels.reshape(rows // block, block, patch, columns // block, block, patch, 3)
        cut = blocks.transpose(0, 3, 1, 4, 2, 5, 6)  # (R, C, block, block, P, P, 3)
        moment = config.levels(cut.reshape(rows * columns, patch * patch, 3))  # (3, rows * columns, P * P)
        patches = torch.empty(rows * columns, 3, config.moments, patch * patch)
        patches.copy_(moment.transpose(0, 1)[:, :, None])  # every moment of a still picture is the same
        patches = patches.flatten(1)  # (rows * columns, 3 * moments * P * P)
        mask = torch.ones(len(patches), dtype=torch.bool)
        return Patches(patches, mask, (1, rows, columns), self.view(picture.frame))

    def extent(self, frame: Frame) -> Frame:
        """The frame that is cut into patches, for a picture of this extent; needs only the header of a file."""
        factor, config = self.config.patch_size * self.config.merge_size, self.config
        sides, area = (frame.width, frame.height), frame.width * frame.height
        if max(sides) > THINNEST * min(sides):
            raise ImageError(
                f"a picture of {frame.width} x {frame.height} is more than {THINNEST} times longer than wide; crop it"
            )
        width, height = (round(side / factor) * factor for side in sides)
        if width * height > config.max_pixels:
            shrink = sqrt(area / config.max_pixels)
            width, height = (max(factor, floor(side / shrink / factor) * factor) for side in sides)
        elif width * height < config.min_pixels:
            grow = sqrt(config.min_pixels / area)
            width, height = (ceil(side * grow / factor) * factor for side in sides)
        return Frame(width, height)

    def view(self, frame: Frame) -> ViewTransform:
        return _stretch(frame, self.extent(frame)).view

    def pixels(self, picture: Picture) -> UInt8[np.ndarray, "height width 3"]:
        """The resized picture in grey levels."""
        return _stretch(picture.frame, self.extent(picture.frame)).draw(picture.pixels, self.config.resample)


@dataclass(frozen=True, kw_only=True)
class FlexConfig:
    """SigLIP 2 NaFlex's way.

    patch_size: side of a patch in pixels.
    max_patches: most patches, and the length every picture is filled up to.
    resample: kernel.
    levels: grey levels to numbers.
    """

    patch_size: int = 16
    max_patches: int = 256
    resample: Kernel = "bilinear"
    levels: Levels = field(default_factory=Levels)

    def __post_init__(self) -> None:
        if min(self.patch_size, self.max_patches) < 1:
            raise ConfigError(f"patch_size and max_patches must be positive, not {self}")


@dataclass(frozen=True)
class FlexProcessor:
    """Picture -> Patches, by `config`."""

    config: FlexConfig

    def __call__(self, picture: Picture) -> Patches:
        patch, most = self.config.patch_size, self.config.max_patches
        extent = self.extent(picture.frame)
        rows, columns = extent.height // patch, extent.width // patch
        real = patchify(self.config.levels(self.pixels(picture)), patch)  # (rows * columns, P * P * 3)
        patches = torch.zeros(most, real.shape[1])
        patches[: rows * columns] = real
        return Patches(patches, torch.arange(most) < rows * columns, (1, rows, columns), self.view(picture.frame))

    def extent(self, frame: Frame) -> Frame:
        """The largest scale, found by halving an interval, at which the patches do not exceed their number."""
        low, high = 1e-6, 100.0
        while high - low >= 1e-5:
            scale = (low + high) / 2
            tried = self._scaled(frame, scale)
            fits = tried.width * tried.height <= self.config.max_patches * self.config.patch_size**2
            low, high = (scale, high) if fits else (low, scale)
        return self._scaled(frame, low)

    def _scaled(self, frame: Frame, scale: float) -> Frame:
        patch = self.config.patch_size
        width, height = (max(patch, ceil(side * scale / patch) * patch) for side in (frame.width, frame.height))
        return Frame(width, height)

    def view(self, frame: Frame) -> ViewTransform:
        return _stretch(frame, self.extent(frame)).view

    def pixels(self, picture: Picture) -> UInt8[np.ndarray, "height width 3"]:
        """The resized picture in grey levels."""
        return _stretch(picture.frame, self.extent(picture.frame)).draw(picture.pixels, self.config.resample)


def _stretch(source: Frame, target: Frame) -> Placement:
    return Placement.stretch(source, target.width, target.height)
