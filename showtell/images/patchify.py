"""Patches: a picture as a sequence of small squares, the words of a vision transformer (Dosovitskiy et al. 2021).

    ┌───┬───┬───┐
    │ 0 │ 1 │ 2 │      image (channels, rows * P, columns * P)  <->  patches (rows * columns, P * P * channels)
    ├───┼───┼───┤
    │ 3 │ 4 │ 5 │      row by row; inside a patch: row, column, channel
    └───┴───┴───┘

Nothing is computed, numbers are only rearranged, so the inverse is exact. A convolution with kernel and stride P is
this rearrangement followed by one linear layer; its weight (dim, channels, P, P) holds the same numbers in the order
channel, row, column (`vision/patch_embed.py` is that form).
"""

from jaxtyping import Shaped
from torch import Tensor


def patchify(
    image: Shaped[Tensor, "*batch channels height width"], patch_size: int
) -> Shaped[Tensor, "*batch patches values"]:
    """Cut into squares of `patch_size`. Raises ValueError when a side is not a multiple of it."""
    height, width = image.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(f"an image of {width} x {height} cannot be cut into squares of {patch_size} without a rest")
    x = image.unflatten(-2, (-1, patch_size)).unflatten(-1, (-1, patch_size))  # (*batch, channels, rows, P, columns, P)
    x = x.movedim(-5, -1)  # (*batch, rows, P, columns, P, channels)
    return x.transpose(-4, -3).flatten(-3).flatten(-3, -2)


def unpatchify(
    patches: Shaped[Tensor, "*batch patches values"], patch_size: int, columns: int
) -> Shaped[Tensor, "*batch channels height width"]:
    """The inverse of `patchify`; `columns` is the number of patches in a row."""
    x = patches.unflatten(-1, (patch_size, patch_size, -1)).unflatten(-4, (-1, columns))
    x = x.transpose(-4, -3).movedim(-1, -5)  # (*batch, channels, rows, P, columns, P)
    return x.flatten(-4, -3).flatten(-2)
