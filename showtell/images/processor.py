"""Processor: a decoded picture becomes the square of numbers a vision tower reads, and knows the way back.

    original     pad                 stretch          crop
    ┌──────┐     ┌──────┐            ┌──────┐         ┌──┬──┐
    │ a  b │     │······│            │ a  b │         │ a│b │     shorter side = image_size,
    └──────┘     │ a  b │            │      │         └──┴──┘     the ends of the longer side are lost
                 │······│            └──────┘
                 └──────┘            everything seen,
                 everything seen,    circles become
                 shapes kept         ellipses

`pad` is this library's default: a grounded answer must be able to point anywhere in the picture. `crop` is CLIP's and
`stretch` ViT's and SigLIP's; both are pixel for pixel those of the reference image processors (`tests/images`).

Not here: tiles and native aspect ratios, which show a model more than one square; augmentation.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame
from showtell.images.decode import Picture
from showtell.images.normalize import HALF_MEAN, HALF_STD, normalize, to_float
from showtell.images.resize import Kernel, resize
from showtell.images.view import ViewTransform

Mode = Literal["pad", "stretch", "crop"]


@dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
    """How a picture is brought to the size of a vision tower.

    image_size: side of the square in pixels.
    mode: what happens to pictures that are not square.
    resample: resizing kernel.
    mean: subtracted from each channel, after scaling to 0..1.
    std: divides each channel after that.
    fill: colour of the padding, grey levels 0..255.
    """

    image_size: int = 96
    mode: Mode = "pad"
    resample: Kernel = "bicubic"
    mean: tuple[float, float, float] = HALF_MEAN
    std: tuple[float, float, float] = HALF_STD
    fill: tuple[int, int, int] = (128, 128, 128)

    def __post_init__(self) -> None:
        if self.image_size < 1 or not all(std > 0 for std in self.std):
            raise ConfigError(f"image_size and std must be positive, not {self.image_size} and {self.std}")
        if not all(0 <= level <= 255 for level in self.fill):
            raise ConfigError(f"fill is a colour of three grey levels 0..255, not {self.fill}")


@dataclass(frozen=True, eq=False)
class Processed:
    """What the tower is given, and how to map what it says back to the original picture."""

    pixels: Float[Tensor, "3 height width"]
    view: ViewTransform


@dataclass(frozen=True)
class Processor:
    """Picture -> Processed, by `config`."""

    config: ProcessorConfig

    def __call__(self, picture: Picture) -> Processed:
        view = self.view(picture.frame)
        square = self.square(picture.pixels, view)
        return Processed(normalize(to_float(square), self.config.mean, self.config.std), view)

    def view(self, frame: Frame) -> ViewTransform:
        """Where the pixels of a picture of this extent go; needs no pixels, only the header of a file."""
        size = self.config.image_size
        width, height = resized_extent(frame, size, self.config.mode)
        left, top = int((size - width) / 2), int((size - height) / 2)  # towards zero; negative when it is cropped
        target = Frame(size, size)
        return ViewTransform.between(frame.box, Box(left, top, left + width, top + height, target))

    def square(
        self, pixels: UInt8[np.ndarray, "height width 3"], view: ViewTransform
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The picture resized and laid into the square, still in grey levels."""
        size = self.config.image_size
        placed = view.to_view(view.source.box)
        left, top = round(placed.x1), round(placed.y1)
        resized = resize(pixels, round(placed.width), round(placed.height), self.config.resample)
        if self.config.mode == "crop":
            return resized[-top : size - top, -left : size - left]
        canvas = np.full((size, size, 3), self.config.fill, dtype=np.uint8)
        canvas[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
        return canvas


def resized_extent(frame: Frame, size: int, mode: Mode) -> tuple[int, int]:
    """(width, height) of the whole picture after resizing, before padding or cropping to the square."""
    if mode == "stretch":
        return size, size
    if mode == "crop":  # the longer side is rounded down, as the reference does
        short = min(frame.width, frame.height)
        return size * frame.width // short, size * frame.height // short
    longer = max(frame.width, frame.height)
    return max(1, round(size * frame.width / longer)), max(1, round(size * frame.height / longer))
