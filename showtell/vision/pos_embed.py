"""Where a patch is. Attention itself cannot tell: without positions its output does not depend on the order of tokens.

learned   one vector a grid cell, trained; another grid is reached by interpolating the trained one
sincos    fixed sines and cosines of row and column (the MAE form): half of the channels tell the column, half the row
rope      nothing is added; queries and keys are rotated by angles of row and column (DINOv3). Coordinates are those
          of the patch's centre, scaled to [-1, 1], so that a finer grid looks at the same square more closely:

    angle = 2 pi * centre / base^(4 i / head_dim),   i = 0 ... head_dim/4 - 1, once for the row and once for the column
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from showtell.core.rope import Rotation

PositionKernel = Literal["bicubic", "bicubic_antialias", "bilinear_antialias"]


def sincos_2d(rows: int, cols: int, dim: int, base: float = 10_000.0) -> Float[Tensor, "tokens dim"]:
    """Fixed 2-D positions, row-major; `dim` must divide by 4."""
    if dim % 4:
        raise ValueError(f"2-D sin-cos positions need a dim that divides by 4, got {dim}")
    frequencies = base ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    angles = [axis.flatten()[:, None].double() * frequencies for axis in (x, y)]  # (tokens, dim/4) each
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1).float()


def resample_positions(
    positions: Float[Tensor, "tokens dim"],
    grid: tuple[int, int],
    target: tuple[int, int],
    kernel: PositionKernel = "bicubic",
) -> Float[Tensor, "target_tokens dim"]:
    """Interpolation of a learned grid of positions to another grid (identity when the grids agree).

    Families differ in the kernel, and in whether it is widened when the grid shrinks ("antialias").
    """
    if grid == target:
        return positions
    square = positions.unflatten(0, grid).permute(2, 0, 1)[None]  # (1, dim, rows, cols)
    mode, _, antialias = kernel.partition("_")
    resampled = F.interpolate(
        square.float(), size=target, mode=mode, align_corners=False, antialias=bool(antialias)
    )  # (1, dim, target_rows, target_cols)
    return resampled[0].flatten(1).T.to(positions.dtype)


class NoRotary(nn.Module):
    """For towers whose positions are added."""

    def forward(self, grid: tuple[int, int], device: torch.device) -> Rotation | None:
        return None


class AxialRotary(nn.Module):
    """The rotation of every patch of a grid; the `prefix` tokens before them are not turned."""

    def __init__(self, head_dim: int, base: float, prefix: int):
        super().__init__()
        if head_dim % 4:
            raise ValueError(f"rotations by row and column need a head_dim that divides by 4, got {head_dim}")
        self.head_dim, self.base, self.prefix = head_dim, base, prefix

    def forward(self, grid: tuple[int, int], device: torch.device) -> Rotation | None:
        frequencies = 1 / self.base ** torch.arange(0, 1, 4 / self.head_dim, dtype=torch.float32, device=device)
        centres = [(torch.arange(0.5, side, device=device) / side) * 2 - 1 for side in grid]
        y, x = torch.meshgrid(*centres, indexing="ij")
        angles = [2 * math.pi * axis.flatten()[:, None] * frequencies for axis in (y, x)]  # (tokens, head_dim/4) each
        turned = torch.cat(angles * 2, dim=1)  # (tokens, head_dim)
        still = turned.new_zeros(self.prefix, self.head_dim)
        angle = torch.cat([still, turned])[None, None]  # (1, 1, prefix + tokens, head_dim)
        return Rotation(angle.cos(), angle.sin())
