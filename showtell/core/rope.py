"""Rotary position embedding (Su et al. 2021, RoFormer), in the `rotate_half` form of the Llama checkpoints.

Dimension i of a head is paired with dimension i + head_dim/2; the pair is rotated by position * base^(-2i/head_dim).
A dot product of two rotated vectors then depends on the *difference* of their positions only.

    angles    (positions, head_dim/2)    ->  cos, sin of shape (positions, head_dim), halves repeated
    rotated = x * cos + rotate_half(x) * sin,      rotate_half([a, b]) = [-b, a]
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Rotation(NamedTuple):
    """Cosines and sines, (batch or 1, 1, tokens, head_dim), ready to broadcast over heads."""

    cos: Tensor
    sin: Tensor


def rope(positions: Int[Tensor, "batch tokens"], head_dim: int, base: float) -> Rotation:
    """The rotation of every position; computed in float32 whatever the model's dtype."""
    half = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device) / head_dim
    angles = positions[:, None, :, None].float() * base**-half  # (batch, 1, tokens, head_dim/2)
    angles = torch.cat([angles, angles], dim=-1)
    return Rotation(angles.cos(), angles.sin())


def rotate(
    x: Float[Tensor, "batch heads tokens head_dim"], rotation: Rotation
) -> Float[Tensor, "batch heads tokens head_dim"]:
    """Rotate queries or keys; keeps the dtype of `x`."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (x * rotation.cos + turned * rotation.sin).to(x.dtype)
