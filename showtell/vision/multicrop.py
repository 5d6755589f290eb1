"""Several looks at one picture: two that see most of it, several that see little.

    picture --large view x 2-->  64 x 64, 40 to 100 % of the area    for teacher and student, some patches blanked out
            --small view x n-->  32 x 32, 15 to 40 % of the area     for the student alone

From a small part the student must say what the teacher says of the whole, which is how it learns what belongs
together. Small views are also cheap: a quarter of the tokens each. Everything random about a sample (ground, crops,
colours, which patches are blanked) comes from `sample_rng(seed, position)`, so a resumed run draws the same crops.
Multi-crop: Caron et al. 2020 (SwAV) and 2021 (DINO); blanking in blocks for half of the views: Zhou et al. 2022 (iBOT).
One view alone, for masked autoencoders and supervised training, is `OneView`. Not here: the operations of a view
(`images/augment.py`), the losses (`self_distillation.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from showtell.data.sample import sample_rng
from showtell.images.augment import ViewConfig, draw_view
from showtell.images.normalize import HALF_MEAN, HALF_STD, normalize
from showtell.vision.self_distillation import block_mask

Picture = UInt8[np.ndarray, "height width 3"]
Draw = Callable[[int, np.random.Generator], tuple[Picture, int]]
"""Position of the run and a generator -> a picture and its label (which self-supervision ignores).

The position decides what is shown; what the generator decides (a ground to stand on) differs from view to view. A
ground that all views of a picture shared would be the easiest thing to recognise the picture by.
"""


class Crops(NamedTuple):
    """A batch of multi-crops.

    large: (2, pictures, 3, side, side), normalised.
    small: (n, pictures, 3, side, side), n may be 0.
    masked: (2, pictures, patches), what the student does not see of the large ones.
    """

    large: Tensor
    small: Tensor
    masked: Tensor


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """What a sample is made of.

    large, small: how the two kinds of views are drawn.
    smalls: number of small views.
    grid: (rows, cols) of patches of a large view.
    masked: smallest and largest share of patches that are blanked out.
    mask_rate: how many of the large views lose any.
    """

    large: ViewConfig
    small: ViewConfig
    smalls: int
    grid: tuple[int, int]
    masked: tuple[float, float] = (0.1, 0.5)
    mask_rate: float = 0.5


@dataclass(frozen=True)
class MultiCrop:
    """Makes the sample at a position; for `showtell.data.loader.Batches`."""

    draw: Draw
    config: CropConfig
    seed: int = 0

    def make(self, position: int) -> Crops:
        config, rng = self.config, sample_rng(self.seed, position)
        large = [draw_view(self.draw(position, rng)[0], config.large, rng) for _ in range(2)]
        small = [draw_view(self.draw(position, rng)[0], config.small, rng) for _ in range(config.smalls)]
        masked = torch.stack([self._mask(rng) for _ in large])
        return Crops(pixels_of(large), pixels_of(small, config.small.size), masked)

    def collate(self, samples: list[Crops]) -> Crops:
        return Crops(*(torch.stack(parts, dim=1) for parts in zip(*samples, strict=True)))

    def _mask(self, rng: np.random.Generator) -> Bool[Tensor, " patches"]:
        share = rng.uniform(*self.config.masked) * (rng.random() < self.config.mask_rate)
        return block_mask(self.config.grid, share, torch.Generator().manual_seed(int(rng.integers(2**62))))


@dataclass(frozen=True)
class OneView:
    """One random view of a picture with its label."""

    draw: Draw
    view: ViewConfig
    seed: int = 0

    def make(self, position: int) -> tuple[Tensor, int]:
        rng = sample_rng(self.seed, position)
        picture, label = self.draw(position, rng)
        return pixels_of([draw_view(picture, self.view, rng)])[0], label

    def collate(self, samples: list[tuple[Tensor, int]]) -> tuple[Float[Tensor, "..."], Int[Tensor, " pictures"]]:
        return torch.stack([pixels for pixels, _ in samples]), torch.tensor([label for _, label in samples])


def pixels_of(views: list[Picture], side: int = 0) -> Float[Tensor, "views 3 height width"]:
    """As the tower wants them, from -1 to 1; no views are an empty batch of `side`."""
    stacked = np.stack(views) if views else np.zeros((0, side, side, 3), np.uint8)
    pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return normalize(pixels / 255, HALF_MEAN, HALF_STD)
