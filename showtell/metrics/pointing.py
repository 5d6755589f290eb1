"""Pointing F1: one point on each object, no more and no fewer.

    precision = points on their object / points        recall = points on their object / objects        F1 of the two

`official_pointing` is Molmo's (`olmo/eval/evaluators.py`): points and the true points are paired so that the
distances add up to as little as possible, and a pair counts if the point, *rounded* to a pixel, lies in the mask of
its partner. Rounding moves points by half a pixel, and a point on the wrong one of two overlapping objects can cost
two. F1 carries an epsilon of 1e-10. `pointing` pairs points with masks so that as many as possible lie in theirs, by
the pixel under the point. Where nothing is there and nothing was pointed at, all three are 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showtell.core.geometry import Mask, Point, require_same_frame
from showtell.metrics.assignment import minimum_assignment


@dataclass(frozen=True)
class PointingScore:
    """Precision, recall and F1 of the points in one picture."""

    precision: float
    recall: float
    f1: float


def official_pointing(points: Sequence[Point], centers: Sequence[Point], masks: Sequence[Mask]) -> PointingScore:
    """Molmo's score; `centers` are the true points, one for each mask. Raises ValueError for different frames."""
    _require(points, masks)
    if len(centers) != len(masks):
        raise ValueError(f"{len(centers)} true points for {len(masks)} masks; one each")
    distance = np.array([[np.hypot(a.x - b.x, a.y - b.y) for b in centers] for a in points])
    hits = sum(_rounded_hit(points[i], masks[j]) for i, j in _pairs(distance))
    return _score(hits, len(points), len(masks), epsilon=1e-10)


def pointing(points: Sequence[Point], masks: Sequence[Mask]) -> PointingScore:
    """The score with as many points on their own object as can be. Raises ValueError for different frames."""
    _require(points, masks)
    missed = np.array([[not mask.contains(point) for mask in masks] for point in points], dtype=np.float64)
    hits = sum(missed[i, j] == 0 for i, j in _pairs(missed))
    return _score(int(hits), len(points), len(masks), epsilon=0.0)


def _pairs(cost: np.ndarray) -> list[tuple[int, int]]:
    if not cost.size:
        return []
    return [(row, int(column)) for row, column in enumerate(minimum_assignment(cost)) if column >= 0]


def _rounded_hit(point: Point, mask: Mask) -> bool:
    column, row = round(point.x), round(point.y)
    inside = 0 <= column < mask.frame.width and 0 <= row < mask.frame.height
    return inside and bool(mask.pixels[row, column])


def _score(hits: int, points: int, masks: int, epsilon: float) -> PointingScore:
    if not points and not masks:
        return PointingScore(1.0, 1.0, 1.0)
    precision, recall = hits / points if points else 0.0, hits / masks if masks else 0.0
    return PointingScore(precision, recall, 2 * precision * recall / (precision + recall + epsilon) if hits else 0.0)


def _require(points: Sequence[Point], masks: Sequence[Mask]) -> None:
    shapes: list[Point | Mask] = [*points, *masks]
    for shape in shapes:
        require_same_frame(shape, shapes[0])
