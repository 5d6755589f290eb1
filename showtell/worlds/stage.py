"""A stage: a picture with coloured shapes exactly where one wants them, for experiments that change one thing.

    stage(dice, [Prop("star", "red", side=24, x=30, y=48), ...])   ->   pixels, boxes of what can be seen

Scenes (`scene.py`) lay things wherever they fit, and no two of them differ in one thing only. Here ground and light are
rolled first and every shape has dice of its own, so that exchanging two places, adding one thing or growing another
leaves all else the same to the pixel. Later props lie over earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from showtell.core.geometry import Box, Frame
from showtell.worlds.dice import Dice, keyed
from showtell.worlds.sprites import shape_sprite

SIDE = 96
BRIGHT, DARK = (215.0, 250.0), (5.0, 40.0)
SAFE_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")


@dataclass(frozen=True)
class Prop:
    """A shape, its colour, its width in pixels, the place of its middle, and the number of its own dice."""

    shape: str
    color: str
    side: float
    x: float
    y: float
    look: int = 0


def stage(
    seed: int, index: int, props: Sequence[Prop], size: int = SIDE
) -> tuple[UInt8[np.ndarray, "size size 3"], list[Box]]:
    """The picture, and for each prop the box of its shape, cut at the edge of the picture."""
    dice = keyed(seed, index, stream=100)
    canvas = _ground(dice, size)
    frame = Frame(size, size)
    boxes = []
    for prop in props:
        sprite = shape_sprite(prop.shape, prop.color, prop.side, keyed(seed, index, stream=101 + prop.look))
        if sprite is None:
            raise ValueError(f"a {prop.shape} of {prop.side} pixels cannot be drawn")
        height, width = sprite.alpha.shape
        left, top = round(prop.x - width / 2), round(prop.y - height / 2)
        if left < 0 or top < 0 or left + width > size or top + height > size:
            raise ValueError(f"a {prop.shape} of {prop.side} pixels at ({prop.x}, {prop.y}) reaches out of the picture")
        window = canvas[:, top : top + height, left : left + width]
        window *= 1 - sprite.alpha
        window += sprite.premultiplied
        x1, y1, x2, y2 = sprite.extent
        boxes.append(Box(left + x1, top + y1, left + x2, top + y2, frame))
    pixels = np.clip(canvas, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(pixels), boxes


def _ground(dice: Dice, size: int) -> np.ndarray:
    """Nearly white or nearly black, a little brighter on one side: every safe colour stands out from it."""
    low, high = BRIGHT if dice.chance(0.7) else DARK
    first, last = dice.between(low, high), dice.between(low, high)
    ramp = np.linspace(first, last, size, dtype=np.float32)
    ramp = ramp[None, :] if dice.chance(0.5) else ramp[:, None]
    return np.broadcast_to(ramp, (3, size, size)).copy()
