"""ViewTransform: where the pixels of a picture went, as an invertible map between two frames.

    original 640 x 480                     view 96 x 96
    ┌───────────────┐    scale, offset    ┌─────────┐
    │  ┌───┐        │  ────────────────►  ├─────────┤     view = scale * original + offset, for x and for y
    │  └───┘        │                     │ ▫       │     original = (view - offset) / scale
    └───────────────┘  ◄────────────────  ├─────────┤
                                          └─────────┘
Padding, stretching, cropping and tiling are all of this form, and so is any sequence of them (`compose`). A model only
ever sees the view; boxes that people see are in the original. The two lines above are the whole of letterbox
arithmetic, which is why nothing else in this library does any.

Not here: the pixels themselves (`images/processor.py`), and EXIF rotation, which is undone when a file is decoded, so
that the original frame is the picture as people see it.
"""

from dataclasses import dataclass
from typing import TypeVar

from showtell.core.geometry import Box, Frame, Point

Shape = TypeVar("Shape", Box, Point, Box | Point)


@dataclass(frozen=True)
class ViewTransform:
    """An axis-aligned affine map from `source` (the original) to `target` (the view).

    scale_x: view pixels for one original pixel, horizontally; positive.
    scale_y: the same, vertically.
    offset_x: where the original's left edge lies in the view; negative when it is cropped away.
    offset_y: where the original's top edge lies in the view.
    source: frame of the original picture.
    target: frame of the view.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    source: Frame
    target: Frame

    def __post_init__(self) -> None:
        if not (self.scale_x > 0 and self.scale_y > 0):
            raise ValueError(f"scales must be positive to be undone, not {self.scale_x} and {self.scale_y}")

    @classmethod
    def between(cls, original: Box, view: Box) -> "ViewTransform":
        """The map that lays the box `original` exactly over the box `view`."""
        scale_x, scale_y = view.width / original.width, view.height / original.height
        offset_x, offset_y = view.x1 - scale_x * original.x1, view.y1 - scale_y * original.y1
        return cls(scale_x, scale_y, offset_x, offset_y, original.frame, view.frame)

    @classmethod
    def identity(cls, frame: Frame) -> "ViewTransform":
        return cls.between(frame.box, frame.box)

    def to_view(self, shape: Shape) -> Shape:
        """Original -> view, exact; a shape that was cropped away lies outside the view's frame and is not clipped.

        Raises ValueError when the shape is not measured in `source`.
        """
        _require(shape.frame, self.source, "original")
        if isinstance(shape, Point):
            return Point(self._x(shape.x), self._y(shape.y), self.target)
        return Box(self._x(shape.x1), self._y(shape.y1), self._x(shape.x2), self._y(shape.y2), self.target)

    def to_original(self, shape: Shape) -> Shape:
        """View -> original, clipped to the original's frame: a prediction inside the padding is not in the picture.

        Raises ValueError when the shape is not measured in `target`.
        """
        _require(shape.frame, self.target, "view")
        back = self._inverse()
        if isinstance(shape, Point):
            return Point(back._x(shape.x), back._y(shape.y), self.source).clip()
        corners = back._x(shape.x1), back._y(shape.y1), back._x(shape.x2), back._y(shape.y2)
        return Box(*corners, self.source).clip()

    def cells(self, rows: int, cols: int) -> list[Box | None]:
        """The cells of a grid laid over the view, row by row, in the original; None where one is all padding."""
        height, width = self.target.height / max(rows, 1), self.target.width / max(cols, 1)
        found: list[Box | None] = []
        for row in range(rows):
            for col in range(cols):
                cell = Box(col * width, row * height, (col + 1) * width, (row + 1) * height, self.target)
                place = self.to_original(cell)
                found.append(place if place.width > 1e-6 and place.height > 1e-6 else None)
        return found

    def compose(self, then: "ViewTransform") -> "ViewTransform":
        """This map followed by `then`, whose source is this map's target."""
        _require(then.source, self.target, "intermediate")
        return ViewTransform(
            self.scale_x * then.scale_x,
            self.scale_y * then.scale_y,
            then._x(self.offset_x),
            then._y(self.offset_y),
            self.source,
            then.target,
        )

    def _inverse(self) -> "ViewTransform":
        scale_x, scale_y = 1 / self.scale_x, 1 / self.scale_y
        return ViewTransform(
            scale_x, scale_y, -self.offset_x * scale_x, -self.offset_y * scale_y, self.target, self.source
        )

    def _x(self, x: float) -> float:
        return self.scale_x * x + self.offset_x

    def _y(self, y: float) -> float:
        return self.scale_y * y + self.offset_y


def _require(given: Frame, wanted: Frame, name: str) -> None:
    if given != wanted:
        raise ValueError(f"the shape is measured in {given}, but the {name} frame of this view is {wanted}")
