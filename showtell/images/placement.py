"""Placement: a picture stretched to some extent and laid somewhere on a canvas. Every processor is made of these.

    picture              canvas                                    crop:   left, top negative, the ends are lost
    ┌─────┐              ┌───────────────┐                         pad:    left, top positive, `fill` shows around
    │     │  stretch to  │  (left, top)  │                         resize: the canvas is exactly the stretched picture
    │     │  ─────────►  │    ┌─────┐    │                         tile:   a crop; each tile is a placement of its own
    └─────┘ width,height │    └─────┘    │
                         └───────────────┘
A placement is known from the extent of a picture alone, before a pixel is decoded; `view` is the same fact for
coordinates. A sequence of placements is a processor's geometry: `chain_view` composes the views, `draw_chain` makes the
pixels. Where a pure resize is followed by a window the two become one (`merge`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from jaxtyping import UInt8

from showtell.core.geometry import Box, Frame
from showtell.images.resize import Kernel, resize_part
from showtell.images.view import ViewTransform

Color = tuple[int, int, int]
BLACK: Color = (0, 0, 0)


@dataclass(frozen=True)
class Placement:
    """Where a picture of extent `source` goes.

    source: the picture's frame before.
    width, height: extent of the whole picture after stretching.
    left, top: where its top left corner lies on the canvas; negative when it is cropped.
    canvas: the frame after.
    fill: colour of the canvas where the picture does not reach, grey levels 0..255.
    """

    source: Frame
    width: int
    height: int
    left: int
    top: int
    canvas: Frame
    fill: Color = BLACK

    @classmethod
    def stretch(cls, source: Frame, width: int, height: int) -> "Placement":
        """The whole picture, resized."""
        return cls(source, width, height, 0, 0, Frame(width, height))

    @classmethod
    def window(cls, source: Frame, left: int, top: int, width: int, height: int, fill: Color = BLACK) -> "Placement":
        """The picture itself, seen through a window whose corner is at its pixel (left, top); may reach outside."""
        return cls(source, source.width, source.height, -left, -top, Frame(width, height), fill)

    @property
    def view(self) -> ViewTransform:
        placed = Box(self.left, self.top, self.left + self.width, self.top + self.height, self.canvas)
        return ViewTransform.between(self.source.box, placed)

    @property
    def is_stretch(self) -> bool:
        """Whether the canvas is exactly the stretched picture."""
        return (self.left, self.top, Frame(self.width, self.height)) == (0, 0, self.canvas)

    @property
    def is_window(self) -> bool:
        """Whether no pixel changes its size."""
        return Frame(self.width, self.height) == self.source

    def draw(
        self, pixels: UInt8[np.ndarray, "height width 3"], kernel: Kernel
    ) -> UInt8[np.ndarray, "new_height new_width 3"]:
        """The canvas in grey levels."""
        x1, x2 = max(self.left, 0), min(self.left + self.width, self.canvas.width)
        y1, y2 = max(self.top, 0), min(self.top + self.height, self.canvas.height)
        part = (x1 - self.left, y1 - self.top, x2 - self.left, y2 - self.top)
        seen = resize_part(pixels, self.width, self.height, kernel, part)
        if seen.shape[:2] == (self.canvas.height, self.canvas.width):
            return seen
        canvas = np.full((self.canvas.height, self.canvas.width, 3), self.fill, dtype=np.uint8)
        canvas[y1:y2, x1:x2] = seen
        return canvas


def merge(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    """The same chain with every resize that is followed by a window made one placement."""
    merged: list[Placement] = []
    for placement in placements:
        last = merged[-1] if merged else None
        if last is not None and last.is_stretch and placement.is_window:
            merged[-1] = replace(placement, source=last.source, width=last.width, height=last.height)
        elif last is None or not (placement.is_stretch and placement.is_window):  # one that changes nothing is left out
            merged.append(placement)
    return tuple(merged)


def chain_view(placements: Sequence[Placement]) -> ViewTransform:
    """From the frame before the first placement to the canvas of the last."""
    return reduce(ViewTransform.compose, (placement.view for placement in placements))


def draw_chain(
    pixels: UInt8[np.ndarray, "height width 3"], placements: Sequence[Placement], kernel: Kernel
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The canvas of the last placement; each works on the grey levels the one before it made."""
    for placement in merge(placements):
        pixels = placement.draw(pixels, kernel)
    return pixels
