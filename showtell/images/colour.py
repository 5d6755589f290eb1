"""Light and the numbers that stand for it.

A file does not store light. It stores light passed through a curve that spends its 256 levels where the eye sees
differences (sRGB, IEC 61966-2-1), roughly the power 1 / 2.2:

    stored 0..1  --to_linear-->  light 0..1  --to_stored-->  stored 0..1

    light = stored / 12.92                       stored <= 0.04045
    light = ((stored + 0.055) / 1.055) ^ 2.4     above

`to_linear` is convex, so the mean of stored values stands for less light than the mean of light (Jensen): averaging
stored values, as nearly every resizing does, darkens whatever has contrast. Luminance, the light the eye weighs, is
linear in light: Y = 0.2126 R + 0.7152 G + 0.0722 B (Rec. 709).

Not here: colour profiles and wide gamuts; the resizing itself (`resize.py`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

REC_709 = (0.2126, 0.7152, 0.0722)


def to_linear(stored: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Stored sRGB values 0..1 to light 0..1."""
    return torch.where(stored <= 0.04045, stored / 12.92, ((stored.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def to_stored(light: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The inverse of `to_linear`; what is below 0 becomes 0."""
    light = light.clamp(min=0)
    return torch.where(light <= 0.04045 / 12.92, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def luminance(light: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch height width"]:
    """Y of linear RGB."""
    weights = torch.tensor(REC_709, dtype=light.dtype, device=light.device)
    return (light * weights[:, None, None]).sum(dim=-3)
