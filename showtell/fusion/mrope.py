"""Positions of three kinds for one sequence (M-RoPE, Qwen2-VL: Wang et al. 2024): time, row, column.

    words            a   b   <2 x 3 picture>     c   d
    time             0   1   2 2 2 2 2 2         5   6
    row              0   1   2 2 2 3 3 3         5   6
    column           0   1   2 3 4 2 3 4         5   6

Words count all three at once, so to them this is plain rotary attention. Inside a picture every token has its place,
and the picture as a whole takes as many positions as its longer side: 1,000 image tokens of 40 x 25 move the words
after them by 40, not by 1,000. How positions turn queries and keys is `core/rope.py`.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from showtell.vision.native_vit import Grid


def axis_positions(
    ids: Int[Tensor, "batch tokens"],
    valid: Bool[Tensor, "batch tokens"],
    image_id: int,
    grids: Sequence[Grid],
    seconds: float = 1.0,
) -> Int[Tensor, "3 batch tokens"]:
    """Positions of a padded batch; 0 for padding.

    Args:
        grids: of the pictures in the order of their placeholders, row by row, in *tokens* (after merging).
        seconds: positions between two frames of a clip.

    Raises ValueError when a run of placeholders is not as long as its grid.
    """
    positions = torch.zeros(3, *ids.shape, dtype=torch.long, device=ids.device)
    left = iter(grids)
    for row in range(len(ids)):
        real = valid[row]
        positions[:, row, real] = row_positions((ids[row, real] == image_id).tolist(), left, seconds).to(ids.device)
    return positions


def row_positions(is_image: list[bool], grids: Iterator[Grid], seconds: float) -> Int[Tensor, "3 tokens"]:
    """Positions of one row without padding."""
    parts: list[Tensor] = []
    at, position = 0, 0
    while at < len(is_image):
        if not is_image[at]:
            parts.append(torch.full((3, 1), position))
            at, position = at + 1, position + 1
            continue
        grid = next(grids, None)
        if grid is None or not all(is_image[at : at + (length := grid.frames * grid.rows * grid.cols)]):
            raise ValueError(f"the image placeholders at token {at} do not match {grid}; use one image plan for both")
        parts.append(position + inside(grid, seconds))
        at, position = at + length, position + max(grid.rows, grid.cols)
    return torch.cat(parts, dim=1)


def inside(grid: Grid, seconds: float) -> Int[Tensor, "3 tokens"]:
    """(time, row, column) of each token of a picture, from 0."""
    time = (torch.arange(grid.frames) * seconds).long()
    axes = torch.meshgrid(time, torch.arange(grid.rows), torch.arange(grid.cols), indexing="ij")
    return torch.stack(axes).flatten(1)
