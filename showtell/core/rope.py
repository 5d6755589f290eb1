"""Rotary position embedding (Su et al. 2021, RoFormer), in the `rotate_half` form of the Llama checkpoints.

Dimension i of a head is paired with dimension i + head_dim/2; the pair is rotated by position * base^(-2i/head_dim).
A dot product of two rotated vectors then depends on the *difference* of their positions only.

    angles    (positions, head_dim/2)    ->  cos, sin of shape (positions, head_dim), halves repeated
    rotated = x * cos + rotate_half(x) * sin,      rotate_half([a, b]) = [-b, a]

A model is stretched to longer contexts by turning more slowly: every pair by the same factor ("linear"), or only the
pairs that turn less than a few times within the length it was first trained on ("llama3").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Rotation(NamedTuple):
    """Cosines and sines, (batch or 1, 1, tokens, head_dim), ready to broadcast over heads."""

    cos: Tensor
    sin: Tensor


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How the frequencies of a published model were stretched after its first training.

    kind: "linear" divides every frequency by `factor`. "llama3" divides those with fewer than `slow_turns` turns in
        `original_length` tokens, keeps those with more than `fast_turns`, and blends between. "listed" divides each by
        its own entry of `divisors` (GGUF files hold the outcome of "llama3" instead of its settings).
    factor: how much slower.
    slow_turns, fast_turns, original_length: of "llama3".
    divisors: of "listed", one a pair.
    """

    kind: Literal["linear", "llama3", "listed"]
    factor: float = 1.0
    slow_turns: float = 1.0
    fast_turns: float = 4.0
    original_length: int = 8192
    divisors: tuple[float, ...] = ()


def frequencies(
    head_dim: int, base: float, scaling: RopeScaling | None = None, device: torch.device | None = None
) -> Float[Tensor, " pairs"]:
    """Radians a position, for each of the head_dim/2 pairs; float32."""
    half = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim
    plain = base**-half
    if scaling is None:
        return plain
    if scaling.kind == "listed":
        return plain / torch.tensor(scaling.divisors, dtype=torch.float32, device=device)
    slow = plain / scaling.factor
    if scaling.kind == "linear":
        return slow
    turns = scaling.original_length * plain / (2 * math.pi)
    kept = ((turns - scaling.slow_turns) / (scaling.fast_turns - scaling.slow_turns)).clamp(0, 1)
    return (1 - kept) * slow + kept * plain


def rope(
    positions: Int[Tensor, "batch tokens"], head_dim: int, base: float, scaling: RopeScaling | None = None
) -> Rotation:
    """The rotation of every position; computed in float32 whatever the model's dtype."""
    turning = frequencies(head_dim, base, scaling, positions.device)
    angles = positions[:, None, :, None].float() * turning  # (batch, 1, tokens, head_dim/2)
    angles = torch.cat([angles, angles], dim=-1)
    return Rotation(angles.cos(), angles.sin())


def rope_by_axes(
    positions: Int[Tensor, "axes batch tokens"], head_dim: int, base: float, sections: Sequence[int]
) -> Rotation:
    """M-RoPE (Qwen2-VL: Wang et al. 2024): a token has several positions (time, row, column) and each turns its share.

    The head_dim/2 pairs are cut into `sections`; the first turns by the first axis, the second by the second, and so
    on, round and round. A word's positions are all equal, which is plain `rope`.
    """
    turning = frequencies(head_dim, base, device=positions.device)
    parts = (positions[..., None].float() * turning).split(list(sections), dim=-1)  # each (axes, batch, tokens, pairs)
    angles = torch.cat([part[i % len(positions)] for i, part in enumerate(parts)], dim=-1)[:, None]
    angles = torch.cat([angles, angles], dim=-1)  # (batch, 1, tokens, head_dim)
    return Rotation(angles.cos(), angles.sin())


def rotate(
    x: Float[Tensor, "batch heads tokens head_dim"], rotation: Rotation
) -> Float[Tensor, "batch heads tokens head_dim"]:
    """Rotate queries or keys; keeps the dtype of `x`."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (x * rotation.cos + turned * rotation.sin).to(x.dtype)
