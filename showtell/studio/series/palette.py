"""Numbers to colours, in one place.

sequential   0..1 -> dark blue, teal, green, yellow: lightness rises all the way, so it survives print and colour
             blindness
diverging    -1..1 -> blue, paper, orange
spotlight    a picture, darkened where little weight lies
"""

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from showtell.images.normalize import to_uint8

SEQUENTIAL = np.array(
    [(18, 18, 40), (24, 53, 95), (14, 100, 117), (38, 148, 118), (138, 190, 85), (247, 226, 90)], dtype=float
)
DIVERGING = np.array([(0, 80, 140), (110, 175, 216), (246, 245, 240), (240, 164, 95), (200, 78, 0)], dtype=float)
DARKEST = 0.14  # brightness left to a patch without weight


def ramp(values: Float[np.ndarray, "rows cols"], stops: np.ndarray) -> UInt8[np.ndarray, "rows cols 3"]:
    """0..1 -> colours between equally spaced stops."""
    place = np.clip(values, 0, 1) * (len(stops) - 1)
    below = np.minimum(place.astype(int), len(stops) - 2)
    share = (place - below)[..., None]
    return np.rint(stops[below] * (1 - share) + stops[below + 1] * share).astype(np.uint8)


def sequential(
    values: Float[Tensor, "rows cols"], top: float | None = None, low: float = 0.0
) -> UInt8[np.ndarray, "rows cols 3"]:
    """`low` -> dark, `top` (the largest value unless given) -> bright."""
    array = values.detach().double().numpy()
    high = float(array.max()) if top is None else top
    return ramp((array - low) / max(high - low, 1e-12), SEQUENTIAL)


def diverging(values: Float[Tensor, "rows cols"], top: float | None = None) -> UInt8[np.ndarray, "rows cols 3"]:
    """-top -> blue, 0 -> paper, top -> orange."""
    array = values.detach().double().numpy()
    high = float(np.abs(array).max()) if top is None else top
    return ramp(array / max(high, 1e-12) / 2 + 0.5, DIVERGING)


def spotlight(
    image: Float[Tensor, "3 height width"], weights: Float[Tensor, "rows cols"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with each cell as bright as its weight (the largest weight is full light)."""
    rows, cols = weights.shape
    light = DARKEST + (1 - DARKEST) * (weights / weights.max().clamp(min=1e-12)).sqrt()
    light = light.repeat_interleave(image.shape[1] // rows, 0).repeat_interleave(image.shape[2] // cols, 1)
    return to_uint8(image * light)


def grey(values: Float[Tensor, "rows cols"]) -> UInt8[np.ndarray, "rows cols 3"]:
    """0..1 -> black to white."""
    return to_uint8(values[None].expand(3, -1, -1))
