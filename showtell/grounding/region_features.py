"""What a region looks like to the model: features of a box (RoIAlign) or of a mask, from a grid of image tokens.

    grid of tokens (dim, rows, cols)        box                     out (dim, size, size)
    ┌──┬──┬──┬──┐                        ┌───────┐   every cell of the box is the mean of samples x samples
    │  │  │  │  │                        │ · : · │   points, each read between the four tokens around it;
    ├──┼──┼──┼──┤   token (r, c) stands  │ · : · │   nothing is rounded, so that a box may move by a tenth
    │  │  │  │  │   at (c + ½, r + ½)    └───────┘   of a patch and its features move with it
    └──┴──┴──┴──┘

(He et al. 2017, with the half-pixel that the first implementations forgot: `aligned=True` of torchvision, which these
formulas equal for boxes inside the picture with a given number of samples.) Boxes are xyxy as fractions of the view.
A mask's feature is the mean of the tokens, each weighted by the share of its patch that the mask covers.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def roi_align(
    grid: Float[Tensor, "batch dim rows cols"],
    boxes: Float[Tensor, "n 4"],
    picture: Int[Tensor, " n"],
    size: int = 7,
    samples: int = 2,
) -> Float[Tensor, "n dim size size"]:
    """Features of each box, box i of picture `picture[i]`; differentiable in the grid and in the boxes."""
    steps = (torch.arange(size * samples, device=grid.device, dtype=grid.dtype) + 0.5) / (size * samples)
    x = boxes[:, 0, None] + (boxes[:, 2] - boxes[:, 0])[:, None] * steps  # (n, size * samples), fractions of the view
    y = boxes[:, 1, None] + (boxes[:, 3] - boxes[:, 1])[:, None] * steps
    places = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)  # (n, rows, cols, 2)
    read = F.grid_sample(grid[picture], 2 * places - 1, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(read, samples)


def mask_pool(
    tokens: Float[Tensor, "batch tokens dim"], masks: Float[Tensor, "n rows cols"], picture: Int[Tensor, " n"]
) -> Float[Tensor, "n dim"]:
    """Mean token under each mask, whose values are shares of patches; an empty mask gives zeros."""
    weights = masks.flatten(1)  # (n, tokens)
    total = weights.sum(dim=1, keepdim=True)
    return torch.einsum("nt,ntd->nd", weights / total.clamp(min=1e-6), tokens[picture])


def patch_shares(mask: Float[Tensor, "n height width"], rows: int, cols: int) -> Float[Tensor, "n rows cols"]:
    """Of every patch, the share that a mask of pixels covers; the sides must be multiples of the grid."""
    height, width = mask.shape[1:]
    if height % rows or width % cols:
        raise ValueError(f"a mask of {width} x {height} pixels cannot be cut into {cols} x {rows} patches")
    return F.avg_pool2d(mask[:, None], (height // rows, width // cols))[:, 0]
