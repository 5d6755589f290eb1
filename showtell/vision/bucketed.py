"""The SigLIP tower of Idefics2, Idefics3 and SmolVLM: pictures smaller than the tower's square, without stretching.

    picture 3 x 5 patches on a canvas of 6 x 6          positions are looked up by *fraction* of the picture
    ┌──────────┬─┐
    │ # # # # #│.│    . is padding: no patch looks at it   row i of n      -> bucket of i/n among the tower's rows
    │ # # # # #│.│                                         column j of m   -> bucket of j/m among its columns
    │ # # # # #│.│
    ├──────────┘.│    The left edge is always position 0 and the right edge nearly the last, whatever the size; the
    │ . . . . . .│    learned table is read, never interpolated (after NaViT: Dehghani et al. 2023).
    └────────────┘

A picture that fills the square is looked up in the same way. The division is done in single precision, and where n is
no power of two some i/n falls a hair below its boundary and lands one bucket early; the published weights were trained
with that, so it is kept.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from showtell.vision.vit import VisionOutput, VisionTransformer


class BucketedViT(VisionTransformer):
    """A SigLIP tower over pictures that fill the upper left of a common canvas."""

    def forward(
        self,
        pixels: Float[Tensor, "pictures 3 height width"],
        seen: Bool[Tensor, "pictures rows cols"] | None = None,
    ) -> VisionOutput:
        """`seen` is True for patches of the picture, a rectangle from the upper left corner; None = all."""
        patches = self.patches(pixels)  # (pictures, dim, rows, cols)
        grid = (patches.shape[2], patches.shape[3])
        if seen is None:
            seen = torch.ones(len(pixels), *grid, dtype=torch.bool, device=pixels.device)
        x = patches.flatten(2).transpose(1, 2)  # (pictures, tokens, dim)
        valid = None if bool(seen.all()) else seen.flatten(1)
        return self.encode(x + self.positions[places(seen, self.config.grid[1])], grid, valid)


def places(seen: Bool[Tensor, "pictures rows cols"], side: int) -> Int[Tensor, "pictures tokens"]:
    """Which of the tower's side x side positions each patch has; 0 for padding."""
    row = buckets(seen[:, :, 0], side)
    column = buckets(seen[:, 0, :], side)
    return ((row[:, :, None] * side + column[:, None, :]) * seen).flatten(1)


def buckets(seen: Bool[Tensor, "pictures length"], side: int) -> Int[Tensor, "pictures length"]:
    """Bucket of i/n for the n patches seen along one side."""
    step = 1.0 / seen.sum(dim=1)  # single precision, on purpose
    index = torch.arange(seen.shape[1], dtype=torch.float32, device=seen.device)
    fraction = (index[None, :] * step[:, None]).clamp(max=1.0 - 1e-6)
    boundaries = torch.arange(1 / side, 1.0, 1 / side, device=seen.device)
    return torch.bucketize(fraction, boundaries, right=True)


def patches_seen(
    mask: Bool[Tensor, "pictures height width"], patch_size: int, whole: bool
) -> Bool[Tensor, "pictures rows cols"]:
    """From pixels that belong to the picture to patches: those that lie in it wholly, or at least in part."""
    cells = mask.unfold(1, patch_size, patch_size).unfold(2, patch_size, patch_size).flatten(3)
    return cells.all(dim=-1) if whole else cells.any(dim=-1)
