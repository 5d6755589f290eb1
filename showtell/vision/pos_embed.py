"""Where a patch is. Attention itself cannot tell: without positions its output does not depend on the order of tokens.

learned   one vector a grid cell, trained; another grid is reached by bicubic interpolation of the trained one
sincos    fixed sines and cosines of row and column (the MAE form): half of the channels tell the column, half the row
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sincos_2d(rows: int, cols: int, dim: int, base: float = 10_000.0) -> Float[Tensor, "tokens dim"]:
    """Fixed 2-D positions, row-major; `dim` must divide by 4."""
    if dim % 4:
        raise ValueError(f"2-D sin-cos positions need a dim that divides by 4, got {dim}")
    frequencies = base ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    angles = [axis.flatten()[:, None].double() * frequencies for axis in (x, y)]  # (tokens, dim/4) each
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1).float()


def resample_positions(
    positions: Float[Tensor, "tokens dim"], grid: tuple[int, int], target: tuple[int, int]
) -> Float[Tensor, "target_tokens dim"]:
    """Bicubic interpolation of a learned grid of positions to another grid (identity when the grids agree)."""
    if grid == target:
        return positions
    square = positions.unflatten(0, grid).permute(2, 0, 1)[None]  # (1, dim, rows, cols)
    resampled = F.interpolate(square.float(), size=target, mode="bicubic", align_corners=False)
    return resampled[0].flatten(1).T.to(positions.dtype)
