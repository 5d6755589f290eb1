"""Average precision of detections, COCO's way: a ranking of scored boxes against boxes to be found once each.

    for each threshold of IoU .50 .55 ... .95, each label:
        go down the ranking; a box takes the free true box it overlaps most, if by the threshold, else it is false
        AP = mean of the best precision at recall >= 0, .01, ... 1      COCO's mAP = mean over labels and thresholds

(Lin et al. 2014, `pycocotools`.) `coco_summary` gives COCO's twelve numbers, bug for bug: at most 100 boxes an image
and label; crowds and boxes outside an area range can be matched but count neither way, and a box prefers a true one
that counts; areas of true boxes are those of the annotation, of detections those of the box. One bug is not kept: an
annotation with the id 0 is never found there. -1 means that there is nothing of that size. Clean is
`average_precision`: the exact area under the interpolated curve at one threshold, no cap, no areas. Boxes of one
image share a frame, or ValueError is raised.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showtell.core.geometry import Box, intersection

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
Span = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """A box that was found in an image, with a label and how sure the detector is."""

    image: int | str
    label: int | str
    box: Box
    score: float


@dataclass(frozen=True)
class Annotation:
    """A box that is there.

    area: square pixels of the object itself where a mask is known; of the box otherwise.
    crowd: many objects in one box, of which any number may be found or missed.
    """

    image: int | str
    label: int | str
    box: Box
    area: float | None = None
    crowd: bool = False


def coco_summary(detections: Sequence[Detection], annotations: Sequence[Annotation]) -> dict[str, float]:
    """AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl as pycocotools prints them."""
    precision, recall = {}, {}
    groups = _groups(detections, annotations)
    for area, most in (*((area, 100) for area in AREAS), ("all", 1), ("all", 10)):
        curves = [_coco_curve(_rank(images, AREAS[area], most, THRESHOLDS)) for images in groups]
        found = [curve for curve in curves if curve is not None]
        precision[area, most] = np.array([curve[0] for curve in found]).reshape(-1, len(THRESHOLDS), len(RECALLS))
        recall[area, most] = np.array([curve[1] for curve in found])
    whole = precision["all", 100]
    summary = {"AP": _mean(whole), "AP50": _mean(whole[:, 0]), "AP75": _mean(whole[:, 5])}
    summary |= {f"AP{area[0]}": _mean(precision[area, 100]) for area in ("small", "medium", "large")}
    summary |= {f"AR{most}": _mean(recall["all", most]) for most in (1, 10, 100)}
    return summary | {f"AR{area[0]}": _mean(recall[area, 100]) for area in ("small", "medium", "large")}


def average_precision(
    detections: Sequence[Detection], annotations: Sequence[Annotation], threshold: float = 0.5
) -> float:
    """Mean over labels of the area under the interpolated precision-recall curve.

    Raises ValueError when there is nothing to find.
    """
    values = []
    for images in _groups(detections, annotations):
        hit, counts, wanted = _rank(images, AREAS["all"], None, np.array([threshold]))
        if wanted:
            true, false = (hit & counts)[0].cumsum(), (~hit & counts)[0].cumsum()
            precision = true / np.maximum(true + false, 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]
            values.append(float((np.diff(true, prepend=0) / wanted * best).sum()))
    if not values:
        raise ValueError("there is no annotation to find, so no average precision is defined")
    return sum(values) / len(values)


@dataclass(frozen=True)
class _Cell:
    """One label in one image: what was found, best first, what is there, and how they overlap."""

    scores: list[float]
    found_areas: list[float]
    true_areas: list[float]
    crowds: list[bool]
    overlaps: list[list[float]]

    @classmethod
    def of(cls, found: list[Detection], there: list[Annotation]) -> "_Cell":
        best = sorted(found, key=lambda detection: -detection.score)
        return cls(
            [one.score for one in best],
            [one.box.area for one in best],
            [one.box.area if one.area is None else one.area for one in there],
            [one.crowd for one in there],
            [[_overlap(one.box, true) for true in there] for one in best],
        )

    def match(self, ignored: list[bool], threshold: float, most: int | None) -> list[int | None]:
        """The annotation that each detection takes, best first; those that count are tried before the ignored."""
        order = sorted(range(len(ignored)), key=lambda index: ignored[index])
        taken: set[int] = set()
        matched: list[int | None] = []
        for overlaps in self.overlaps[:most]:
            highest, mine = min(threshold, 1 - 1e-10), None
            for index in order:
                if overlaps[index] < highest or (index in taken and not self.crowds[index]):
                    continue
                if mine is not None and ignored[index] and not ignored[mine]:
                    break
                highest, mine = overlaps[index], index
            if mine is not None:
                taken.add(mine)
            matched.append(mine)
        return matched


def _groups(detections: Sequence[Detection], annotations: Sequence[Annotation]) -> list[list[_Cell]]:
    """For each label its cells, images in order of their name or number."""
    boxes: dict[int | str, dict[int | str, tuple[list[Detection], list[Annotation]]]] = {}
    for detection in detections:
        if not math.isfinite(detection.score):
            raise ValueError(
                f"a detection in image {detection.image} has the score {detection.score}; it cannot be ranked"
            )
        boxes.setdefault(detection.label, {}).setdefault(detection.image, ([], []))[0].append(detection)
    for annotation in annotations:
        boxes.setdefault(annotation.label, {}).setdefault(annotation.image, ([], []))[1].append(annotation)
    return [
        [_Cell.of(*images[name]) for name in sorted(images, key=lambda name: (isinstance(name, str), name))]
        for images in boxes.values()
    ]


def _rank(
    cells: list[_Cell], span: Span, most: int | None, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """One label's detections, best first: which hit and which count, bool[thresholds, n]; and how many were wanted."""
    scores: list[float] = []
    hits, counts, wanted = [np.zeros((len(thresholds), 0), bool)], [np.zeros((len(thresholds), 0), bool)], 0
    for cell in cells:
        ignored = [
            crowd or not span[0] <= area <= span[1] for crowd, area in zip(cell.crowds, cell.true_areas, strict=True)
        ]
        inside = [span[0] <= area <= span[1] for area in cell.found_areas[:most]]
        matched = [cell.match(ignored, threshold, most) for threshold in thresholds.tolist()]
        scores += cell.scores[:most]
        hits.append(np.array([[one is not None for one in row] for row in matched], dtype=bool))
        counted = [[inside[i] if one is None else not ignored[one] for i, one in enumerate(row)] for row in matched]
        counts.append(np.array(counted, dtype=bool))
        wanted += ignored.count(False)
    order = np.argsort(-np.array(scores), kind="mergesort")
    return np.concatenate(hits, axis=1)[:, order], np.concatenate(counts, axis=1)[:, order], wanted


def _coco_curve(ranked: tuple[np.ndarray, np.ndarray, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """(precision at each of the 101 recalls, highest recall) for each threshold; None where nothing is wanted."""
    hit, counts, wanted = ranked
    if not wanted:
        return None
    true, false = (hit & counts).cumsum(axis=1), (~hit & counts).cumsum(axis=1)
    recall, precision = true / wanted, true / (true + false + np.spacing(1))
    curve = np.zeros((len(hit), len(RECALLS)))
    for row, (r, p) in enumerate(zip(recall, precision, strict=True)):
        best = np.maximum.accumulate(p[::-1])[::-1]
        place = np.searchsorted(r, RECALLS, side="left")
        curve[row, place < len(best)] = best[place[place < len(best)]]
    return curve, recall[:, -1] if recall.shape[1] else np.zeros(len(hit))


def _overlap(found: Box, true: Annotation) -> float:
    common = intersection(found, true.box)
    whole = found.area if true.crowd else found.area + true.box.area - common
    return common / whole if whole > 0 else 0.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else -1.0
