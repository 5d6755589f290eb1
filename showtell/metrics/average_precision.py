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


def _groups(
    detections: Sequence[Detection], annotations: Sequence[Annotation]
) -> list[list[tuple[list[Detection], list[Annotation]]]]:
    """For each label, what was found and what is there in each image, images in order of their name or number."""
    cells: dict[tuple[int | str, int | str], tuple[list[Detection], list[Annotation]]] = {}
    for detection in detections:
        if not math.isfinite(detection.score):
            raise ValueError(
                f"a detection in image {detection.image} has the score {detection.score}; it cannot be ranked"
            )
        cells.setdefault((detection.label, detection.image), ([], []))[0].append(detection)
    for annotation in annotations:
        cells.setdefault((annotation.label, annotation.image), ([], []))[1].append(annotation)
    keys = sorted(cells, key=lambda key: (isinstance(key[1], str), key[1]))
    return [[cells[key] for key in keys if key[0] == label] for label in {key[0]: None for key in keys}]


def _rank(
    images: list[tuple[list[Detection], list[Annotation]]], span: Span, most: int | None, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """One label's detections, best first: which hit and which count, bool[thresholds, n]; and how many were wanted."""
    scores, hits, counts, wanted = [], [], [], 0
    for found, there in images:
        best = sorted(found, key=lambda detection: -detection.score)[:most]
        ignored = [one.crowd or not span[0] <= _area(one) <= span[1] for one in there]
        matched = [_match(best, there, ignored, threshold) for threshold in thresholds]
        outside = [not span[0] <= one.box.area <= span[1] for one in best]
        scores += [detection.score for detection in best]
        hits.append([[index is not None for index in row] for row in matched])
        counts.append(
            [[not (outside[i] if index is None else ignored[index]) for i, index in enumerate(row)] for row in matched]
        )
        wanted += ignored.count(False)
    order = np.argsort(-np.array(scores), kind="mergesort")
    stacked = [
        np.concatenate([np.array(part, dtype=bool).reshape(len(thresholds), -1) for part in parts], axis=1)
        for parts in (hits, counts)
    ]
    return stacked[0][:, order], stacked[1][:, order], wanted


def _match(best: list[Detection], there: list[Annotation], ignored: list[bool], threshold: float) -> list[int | None]:
    """The annotation that each detection takes, best detection first; those that count are tried before the ignored."""
    order = sorted(range(len(there)), key=lambda index: ignored[index])
    taken: set[int] = set()
    matched: list[int | None] = []
    for detection in best:
        highest, mine = min(threshold, 1 - 1e-10), None
        for index in order:
            if index in taken and not there[index].crowd:
                continue
            if mine is not None and ignored[index] and not ignored[mine]:
                break
            overlap = _overlap(detection.box, there[index])
            if overlap >= highest:
                highest, mine = overlap, index
        if mine is not None:
            taken.add(mine)
        matched.append(mine)
    return matched


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


def _area(annotation: Annotation) -> float:
    return annotation.box.area if annotation.area is None else annotation.area


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else -1.0
