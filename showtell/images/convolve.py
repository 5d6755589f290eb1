"""Convolution, the oldest layer of vision: one small table of weights, the same everywhere.

    out(y, x) = sum over i, j of kernel(i, j) image(y + i - r, x + j - r)        kernel of side 2 r + 1, zeros outside

(Written as every deep-learning library does, without flipping the kernel.) Because the weights do not depend on the
place, moving the picture moves the result: convolve(shift(image)) = shift(convolve(image)), except within r pixels of
the border. A kernel of rank 1 is a column times a row, and costs 2 (2 r + 1) multiplications a pixel, not (2 r + 1)^2.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def convolve(image: Float[Tensor, "height width"], kernel: Float[Tensor, "side side"]) -> Float[Tensor, "height width"]:
    """The response of a kernel of odd side at every pixel, zeros beyond the border."""
    return F.conv2d(image[None, None], kernel[None, None].to(image), padding=kernel.shape[0] // 2)[0, 0]


def shift(image: Float[Tensor, "*batch height width"], dx: int, dy: int) -> Float[Tensor, "*batch height width"]:
    """Moved `dx` pixels to the right and `dy` down; zeros come in."""
    height, width = image.shape[-2:]
    moved = torch.zeros_like(image)
    rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
    from_rows, from_columns = slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0))
    moved[..., rows, columns] = image[..., from_rows, from_columns]
    return moved


def separable_terms(
    kernel: Float[Tensor, "side side"],
) -> tuple[Float[Tensor, "side"], Float[Tensor, "side side side"]]:
    """(strengths, terms): the kernel is the sum of `strengths[k] * terms[k]`, each a column times a row."""
    columns, strengths, rows = torch.linalg.svd(kernel)
    return strengths, columns.T[:, :, None] * rows[:, None, :]


def likeness(one: Float[Tensor, "*shape"], other: Float[Tensor, "*shape"]) -> float:
    """Cosine between two arrays after their means are taken away, -1..1; 0 if either is constant."""
    a, b = (one - one.mean()).flatten().double(), (other - other.mean()).flatten().double()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 1e-12 else 0.0
