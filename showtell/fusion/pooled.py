"""Fewer image tokens by averaging: each square of neighbours becomes its mean (Gemma 3, 2025; Yao et al. 2024, DeCo).

    a b | c d
    e f | g h     side 2:  4 x 4 tokens  ->  2 x 2 tokens, the first = (a + b + e + f) / 4
    ----+----

No weight and no choice: how much a picture costs falls by side^2, and so does how finely it can be seen. Pixel shuffle
(`connectors.py`) saves the same number of tokens and loses nothing, for a wider matrix.
"""

from math import isqrt

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PooledTokens(nn.Module):
    """Means of `side` x `side` tokens of a square grid."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, tokens: Float[Tensor, "images tokens dim"]) -> Float[Tensor, "images fewer dim"]:
        """Raises ValueError when the tokens are not a square whose side divides by `side`."""
        rows = isqrt(tokens.shape[1])
        if rows * rows != tokens.shape[1] or rows % self.side:
            raise ValueError(f"{tokens.shape[1]} tokens are no square whose side divides by {self.side}")
        square = tokens.transpose(1, 2).unflatten(2, (rows, rows))  # (images, dim, rows, cols)
        return F.avg_pool2d(square, self.side).flatten(2).transpose(1, 2)
