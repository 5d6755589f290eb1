"""Resizing: every output pixel is a weighted mean of input pixels, and the kernel says with which weights.

    nearest    takes the pixel under the centre; aliases
    box        1 for |t| <= 1/2                    the mean of the pixels covered
    bilinear   1 - |t|                             "triangle"
    bicubic    Keys' cubic, a = -1/2               sharper, overshoots at edges; what CLIP and most processors use
    lanczos    sinc(t) sinc(t / 3)                 sharpest, rings

Output pixel o looks at position c = (o + 1/2) * scale of the input, scale = in / out, and weighs the pixel with centre
p by kernel((p - c) / max(scale, 1)), normalised to sum 1. Stretching the kernel by the scale when shrinking is the
*antialiasing*: without it (`torch.nn.functional.interpolate` by default) most input pixels of a large photo are never
looked at. Rows and columns are independent, so two matrices resize a picture: out = W_rows @ image @ W_columns^T.

`resize` is Pillow, whose pixels are those of the reference processors. `resize_weights` and `resize_by_matrix` are the
same thing written out, to read and to draw. A test holds the two within one grey level, with one exception that is
Pillow's: it rounds and clips to 0..255 between rows and columns, so where a sharp kernel overshoots next to pure black
or white on *both* axes its result depends on which axis went first.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

PILLOW: dict[Kernel, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resize(
    pixels: UInt8[np.ndarray, "height width 3"], width: int, height: int, kernel: Kernel = "bicubic"
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """A picture of `width` x `height`, antialiased when it shrinks (except `nearest`, which never is)."""
    return np.array(Image.fromarray(pixels).resize((width, height), PILLOW[kernel]))


def resize_part(
    pixels: UInt8[np.ndarray, "height width 3"],
    width: int,
    height: int,
    kernel: Kernel,
    part: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "part_height part_width 3"]:
    """The rectangle `part` (x1, y1, x2, y2) of `resize(pixels, width, height, kernel)`.

    The whole is resized and cut. Resizing one axis after the other oneself, to leave out what is cut away, is not the
    same picture: Pillow rounds in between, and which axis it takes first depends on the extents and on its version.
    """
    x1, y1, x2, y2 = part
    whole = pixels if (height, width) == pixels.shape[:2] else resize(pixels, width, height, kernel)
    return whole[y1:y2, x1:x2]


def box(t: Tensor) -> Tensor:
    return ((t > -0.5) & (t <= 0.5)).to(t.dtype)


def triangle(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


def cubic(t: Tensor, a: float = -0.5) -> Tensor:
    t = t.abs()
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * (t**3 - 5 * t**2 + 8 * t - 4)
    return torch.where(t < 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def lanczos(t: Tensor) -> Tensor:
    return torch.where(t.abs() < 3, torch.sinc(t) * torch.sinc(t / 3), torch.zeros_like(t))


CURVES: dict[Kernel, tuple[Callable[[Tensor], Tensor], float]] = {  # and how far each reaches
    "box": (box, 0.5),
    "bilinear": (triangle, 1.0),
    "bicubic": (cubic, 2.0),
    "lanczos": (lanczos, 3.0),
}


def resize_weights(size: int, new_size: int, kernel: Kernel, antialias: bool = True) -> Float[Tensor, "new_size size"]:
    """The matrix that resizes one axis: row o holds the weights of output pixel o, summing to 1."""
    scale = size / new_size
    centers = (torch.arange(new_size, dtype=torch.float64) + 0.5) * scale
    if kernel == "nearest":
        return torch.eye(size)[centers.long()]
    curve, reach = CURVES[kernel]
    stretch = max(scale, 1.0) if antialias else 1.0
    pixels = torch.arange(size, dtype=torch.float64)
    weights = curve((pixels[None, :] - centers[:, None] + 0.5) * (1 / stretch))  # (new_size, size)
    # Only a pixel exactly on the edge of the box could matter out here; Pillow's rounding decides where it belongs.
    first = (centers - reach * stretch + 0.5).long().clamp(min=0)
    last = (centers + reach * stretch + 0.5).long()
    weights *= (pixels[None, :] >= first[:, None]) & (pixels[None, :] < last[:, None])
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def resize_by_matrix(
    image: Float[Tensor, "*batch height width"], width: int, height: int, kernel: Kernel, antialias: bool = True
) -> Float[Tensor, "*batch new_height new_width"]:
    """`resize` of a tensor: linear, so nothing is rounded or clipped and a sharp kernel may overshoot the range."""
    columns = resize_weights(image.shape[-1], width, kernel, antialias).to(image)
    rows = resize_weights(image.shape[-2], height, kernel, antialias).to(image)
    return rows @ image @ columns.T
