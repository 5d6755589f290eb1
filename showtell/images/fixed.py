"""FixedProcessor: the steps of a published checkpoint, then its levels. One picture, one view.

    Picture  --steps-->  uint8[height, width, 3]  --levels-->  float[3, height, width]
       │                                                              │
       └── Frame  --the same steps-->  ViewTransform  ◄── boxes ──────┘

Most encoders are of this kind: ViT, CLIP, SigLIP, DINOv2, EfficientNet, BLIP, LLaVA-1.5, PaliGemma, Janus, Florence-2.
They differ in a line of configuration, read from the checkpoint by `images/families.py`. `Processor` in
`images/processor.py` is the square of this library's own models.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from showtell.core.errors import ConfigError
from showtell.core.geometry import Frame
from showtell.images.decode import Picture
from showtell.images.levels import Levels
from showtell.images.placement import Placement, chain_view, draw_chain
from showtell.images.processor import Processed
from showtell.images.resize import Kernel
from showtell.images.steps import Step, place_all
from showtell.images.view import ViewTransform


@dataclass(frozen=True, kw_only=True)
class FixedConfig:
    """How a picture becomes one array.

    steps: resizing, cropping and padding, in order; at least one.
    resample: kernel of every resize.
    levels: grey levels to numbers.
    """

    steps: tuple[Step, ...]
    resample: Kernel = "bicubic"
    levels: Levels = field(default_factory=Levels)

    def __post_init__(self) -> None:
        if not self.steps:
            raise ConfigError("steps: an image processor needs at least one step that says how large its output is")


@dataclass(frozen=True)
class FixedProcessor:
    """Picture -> Processed, by `config`."""

    config: FixedConfig

    def __call__(self, picture: Picture) -> Processed:
        return Processed(self.config.levels(self.pixels(picture)), self.view(picture.frame))

    def placements(self, frame: Frame) -> tuple[Placement, ...]:
        """What happens to a picture of this extent; needs only the header of a file."""
        return place_all(self.config.steps, frame)

    def view(self, frame: Frame) -> ViewTransform:
        """Where the pixels of a picture of this extent go, and back."""
        return chain_view(self.placements(frame))

    def pixels(self, picture: Picture) -> UInt8[np.ndarray, "height width 3"]:
        """The picture as the tower will see it, still in grey levels."""
        return draw_chain(picture.pixels, self.placements(picture.frame), self.config.resample)
