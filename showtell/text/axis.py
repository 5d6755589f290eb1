"""How a position along one side of a picture becomes a number in a text, and what was read back.

    number   = round or floor of position * scale, at most `top`        position: 0 at the left edge, 1 at the right
    position = (number + middle) / scale

    scale 1      two decimals        LLaVA          scale 1000, top 999                  Qwen2-VL
    scale 1000   floor, middle 1/2   Florence-2     scale "pixels" of a stated frame     Qwen2.5-VL

A published convention is an axis (this file), an order of the numbers (x first or y first) and a way of writing them
(`dialects.py`). Encoding rounds as the model's training data did where that is known, and decoding divides by what
the model's own code divides by. A number never decides which space it is in: 0.5 under scale 1000 is half a
thousandth, and 812 under scale 1 is a box far outside of the picture, which `Found.outside` tells and nothing
repairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from showtell.core.geometry import Box, Frame, Point

NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"  # no exponents, no infinities: nothing that overflows
UNFINISHED = "a shape is begun here and not completed"
Shape = Box | Point


class Found(NamedTuple):
    """A shape that a text states, what it says is there, and where it was written: `text[start:stop]`.

    codes: mask codes that follow a box (PaliGemma's <segNNN>), for whoever has their decoder.
    """

    shape: Shape
    label: str | None
    start: int
    stop: int
    codes: tuple[int, ...] = ()

    @property
    def outside(self) -> bool:
        """Whether the shape reaches out of its frame; `shape.clip()` is the part inside."""
        return self.shape.clip() != self.shape


class Refused(NamedTuple):
    """A stretch of text that looks like a shape and is none, where it stood, and why."""

    text: str
    start: int
    reason: str


class Reading(NamedTuple):
    """Everything shape-like in a text, in order."""

    found: tuple[Found, ...]
    refused: tuple[Refused, ...]


class Labelled(NamedTuple):
    """What is somewhere, and its shapes, all boxes or all points."""

    label: str
    shapes: Sequence[Shape]


@dataclass(frozen=True)
class Axis:
    """Positions <-> numbers, for both sides of a picture.

    scale: the number at the far edge; "pixels" for the side of the frame.
    order: which comes first.
    top: the largest number that is written; None where nothing forbids the scale itself.
    places: decimals.
    floor: whether to round down, as binning code does.
    middle: added before dividing: 1/2 for bins that stand for their middle.
    unit: pixels in one step, for "pixels".
    """

    scale: float | Literal["pixels"]
    order: Literal["xy", "yx"] = "xy"
    top: int | None = None
    places: int = 0
    floor: bool = False
    middle: float = 0.0
    unit: int = 1

    def numbers(self, shape: Shape) -> list[float]:
        """The two numbers of a point or four of a box, in the order they are written; parts outside are clipped."""
        width, height = self._scales(shape.frame)
        unit, step = shape.clip().unit, 10.0**self.places
        numbers = []
        for index, position in enumerate(unit):
            marks = position * (height if index % 2 else width) * step
            number = math.floor(marks + 1e-9 if self.floor else marks + 0.5) / step
            numbers.append(number if self.top is None else min(number, float(self.top)))
        return self._swap(numbers)

    def shape(self, numbers: Sequence[float], frame: Frame) -> Shape | str:
        """The point of two numbers, the box of four, or the reason why there is none."""
        width, height = self._scales(frame)
        across, down = frame.width / width, frame.height / height
        values = self._swap(numbers)
        if self.middle:
            values = [value + self.middle for value in values]
        if len(values) == 2:
            return Point(values[0] * across, values[1] * down, frame)
        if len(values) != 4:
            return f"{len(values)} numbers; a point has 2, a box 4"
        x1, y1, x2, y2 = values
        if x2 < x1 or y2 < y1:
            return "the box ends before it begins"
        return Box(x1 * across, y1 * down, x2 * across, y2 * down, frame)

    def _scales(self, frame: Frame) -> tuple[float, float]:
        if self.scale == "pixels":
            return frame.width / self.unit, frame.height / self.unit
        return self.scale, self.scale

    def _swap(self, numbers: Sequence[float]) -> list[float]:
        """x first <-> as written; its own inverse."""
        if self.order == "xy":
            return list(numbers)
        return [numbers[index ^ 1] for index in range(len(numbers) & ~1)]


def reading(
    items: Sequence[Found | Refused], read: Sequence[tuple[int, int]], announced: Sequence[int], text: str
) -> Reading:
    """Sort items into found and refused, and refuse what was announced (the start of a shape) but lies in nothing read.

    `read` holds the stretches of text that the items came from, `announced` positions, both in order.
    """
    found = tuple(item for item in items if isinstance(item, Found))
    refused = [item for item in items if isinstance(item, Refused)]
    span = 0
    for start in announced:
        while span < len(read) and read[span][1] <= start:
            span += 1
        if span == len(read) or start < read[span][0]:
            refused.append(Refused(text[start : start + 60], start, UNFINISHED))
    return Reading(found, tuple(sorted(refused, key=lambda item: item.start)))
