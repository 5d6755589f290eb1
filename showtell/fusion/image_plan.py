"""How many tokens a picture costs, on which grid — decided once, from its size alone, before a pixel is decoded.

Tokenising, truncation, packing, positions, costs and coordinates all read this one object, so "image features and image
tokens do not match" cannot be said. Today: one fixed-size view a picture. Tiles and native resolution will be further
ways to make the same object.

    640 x 427 photograph -> 96 x 96 view -> 8 x 8 grid of 12-pixel patches -> 64 tokens
"""

from dataclasses import dataclass

from showtell.core.geometry import Frame
from showtell.vision.vit import ViTConfig


@dataclass(frozen=True)
class ImagePlan:
    """The cost and layout of one picture.

    source: the picture's own frame.
    view: the frame the tower sees.
    grid: (rows, cols) of tokens that enter the decoder.
    """

    source: Frame
    view: Frame
    grid: tuple[int, int]

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]


def plan_image(source: Frame, vision: ViTConfig) -> ImagePlan:
    """The plan of one picture for a tower of fixed size."""
    height, width = vision.image_size
    return ImagePlan(source=source, view=Frame(width, height), grid=vision.grid)
