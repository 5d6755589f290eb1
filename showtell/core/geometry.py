"""Points, boxes and masks that know which picture frame they are measured in.

    (0,0)──────────────► x     Coordinates are continuous pixel *edges* of a frame, not pixel indices: the box of the
      │   (x1,y1)              whole frame is (0, 0, width, height), the box of the single pixel in column 3, row 5 is
      │     ┌──────┐           (3, 5, 4, 6), and the centre of that pixel is the point (3.5, 5.5). With edges, area is
      │     └──────┘           width * height and resizing is one multiplication; with indices both need "+ 1"s that
      ▼ y        (x2,y2)       every second code base forgets.

    iou(a, b)  = |a ∩ b| / |union|                              union = |a| + |b| - |a ∩ b|
    giou(a, b) = iou(a, b) - (|hull| - |union|) / |hull|        (Rezatofighi et al. 2019), in (-1, 1]
    diou and ciou also weigh the distance of the centres and the shapes: `grounding/regions.py`

The frame travels with the numbers because numbers alone do not say whether they are pixels of the file, pixels of the
model's square or fractions of either, and guessing from their magnitude is the classic bug. Arithmetic between two
frames raises ValueError.

Not here: moving shapes between frames (`images/view.py`) and writing them as tokens (`text/coordinates.py`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The pixel extent that coordinates refer to.

    width: columns, at least 1.
    height: rows, at least 1.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a frame needs at least one pixel on each side, not {self.width} x {self.height}")

    @property
    def box(self) -> "Box":
        """The box of the whole frame."""
        return Box(0.0, 0.0, self.width, self.height, self)


@dataclass(frozen=True)
class Point:
    """A position in continuous pixels of `frame`; the centre of the top left pixel is (0.5, 0.5).

    x: pixels from the left edge.
    y: pixels from the top edge.
    frame: what the pixels are pixels of.
    """

    x: float
    y: float
    frame: Frame

    def __post_init__(self) -> None:
        _store_finite(self, "x", "y")

    @classmethod
    def from_unit(cls, values: Iterable[float], frame: Frame) -> "Point":
        """From (x, y) as fractions of the frame's sides."""
        x, y = values
        return cls(x * frame.width, y * frame.height, frame)

    @property
    def unit(self) -> tuple[float, float]:
        """(x, y) as fractions of the frame's sides."""
        return self.x / self.frame.width, self.y / self.frame.height

    def clip(self) -> "Point":
        """The nearest point inside the frame."""
        return Point(_clip(self.x, self.frame.width), _clip(self.y, self.frame.height), self.frame)


@dataclass(frozen=True)
class Box:
    """An axis-aligned box, edges in continuous pixels of `frame`; it may reach outside (`clip` is explicit).

    x1: left edge.
    y1: top edge.
    x2: right edge, not left of x1.
    y2: bottom edge, not above y1.
    frame: what the pixels are pixels of.

    Raises ValueError for edges that are not finite or in the wrong order.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    frame: Frame

    def __post_init__(self) -> None:
        _store_finite(self, "x1", "y1", "x2", "y2")
        if self.x2 < self.x1 or self.y2 < self.y1:
            raise ValueError(f"box edges are in the wrong order: {self.xyxy} (x1, y1, x2, y2)")

    @classmethod
    def from_unit(cls, values: Iterable[float], frame: Frame) -> "Box":
        """From (x1, y1, x2, y2) as fractions of the frame's sides."""
        x1, y1, x2, y2 = values
        return cls(x1 * frame.width, y1 * frame.height, x2 * frame.width, y2 * frame.height, frame)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The four edges in pixels of the frame."""
        return self.x1, self.y1, self.x2, self.y2

    @property
    def unit(self) -> tuple[float, float, float, float]:
        """The four edges as fractions of the frame's sides."""
        width, height = self.frame.width, self.frame.height
        return self.x1 / width, self.y1 / height, self.x2 / width, self.y2 / height

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point:
        return Point((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2, self.frame)

    def clip(self) -> "Box":
        """The part inside the frame; a box wholly outside becomes an empty one on the border."""
        width, height = self.frame.width, self.frame.height
        x1, x2 = _clip(self.x1, width), _clip(self.x2, width)
        return Box(x1, _clip(self.y1, height), x2, _clip(self.y2, height), self.frame)

    def contains(self, point: Point) -> bool:
        """Whether the point lies inside or on an edge."""
        require_same_frame(self, point)
        return self.x1 <= point.x <= self.x2 and self.y1 <= point.y <= self.y2


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels of `frame` that belong to something.

    pixels: bool[height, width], the shape of the frame.
    frame: what the pixels are pixels of.
    """

    pixels: Bool[np.ndarray, "height width"]
    frame: Frame

    def __post_init__(self) -> None:
        if self.pixels.shape != (self.frame.height, self.frame.width) or self.pixels.dtype != bool:
            raise ValueError(
                f"a mask of {self.frame} is bool[{self.frame.height}, {self.frame.width}], "
                f"not {self.pixels.dtype}{list(self.pixels.shape)}"
            )

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())

    @property
    def box(self) -> Box:
        """The tightest box around all pixels. Raises ValueError for an empty mask, which has none."""
        rows, columns = np.flatnonzero(self.pixels.any(axis=1)), np.flatnonzero(self.pixels.any(axis=0))
        if not len(rows):
            raise ValueError("an empty mask has no box")
        return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), self.frame)

    def contains(self, point: Point) -> bool:
        """Whether the pixel under the point belongs to the mask; outside the frame nothing does."""
        require_same_frame(self, point)
        if not self.frame.box.contains(point):
            return False
        column = min(int(point.x), self.frame.width - 1)  # the right and bottom edge belong to the last pixel
        row = min(int(point.y), self.frame.height - 1)
        return bool(self.pixels[row, column])


def intersection(a: Box, b: Box) -> float:
    """Area common to both boxes, in square pixels."""
    require_same_frame(a, b)
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    return max(width, 0.0) * max(height, 0.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0..1; 0 when both boxes are empty."""
    common = intersection(a, b)
    union = a.area + b.area - common
    return common / union if union > 0 else 0.0


def giou(a: Box, b: Box) -> float:
    """Generalised IoU, in (-1, 1]: iou minus the share of the common hull that neither box covers."""
    union = a.area + b.area - intersection(a, b)
    hull = (max(a.x2, b.x2) - min(a.x1, b.x1)) * (max(a.y2, b.y2) - min(a.y1, b.y1))
    return iou(a, b) - (hull - union) / hull if hull > 0 else 0.0


def box_iou_matrix(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """IoU of every xyxy row of `a` with every row of `b`; the caller vouches that all share one frame."""
    top_left = torch.maximum(a[:, None, :2], b[None, :, :2])  # (n, m, 2)
    bottom_right = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (bottom_right - top_left).clamp(min=0).prod(dim=-1)  # (n, m)
    areas_a, areas_b = (boxes[:, 2:] - boxes[:, :2] for boxes in (a, b))
    union = areas_a.prod(dim=-1)[:, None] + areas_b.prod(dim=-1)[None, :] - common
    return torch.where(union > 0, common / union, torch.zeros_like(common))


def require_same_frame(a: Point | Box | Mask, b: Point | Box | Mask) -> None:
    """Raise ValueError unless both shapes are measured in the same frame."""
    if a.frame != b.frame:
        raise ValueError(f"shapes of different frames cannot be compared: {a.frame} and {b.frame}; map one first")


def _clip(value: float, side: int) -> float:
    return min(max(value, 0.0), float(side))


def _store_finite(shape: Point | Box, *names: str) -> None:
    """Turn ints and numpy scalars into plain floats, so that equality, JSON and pickles do not depend on the source."""
    for name in names:
        value = float(getattr(shape, name))
        if not math.isfinite(value):
            raise ValueError(f"{name} of a {type(shape).__name__.lower()} must be finite, not {value}")
        object.__setattr__(shape, name, value)
