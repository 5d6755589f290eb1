"""Masks against the truth: how referring segmentation is scored, and why its two means differ.

    iou       |a ∩ b| / |a ∪ b| of the pixels                      of one phrase
    mean      mean of the ious over the phrases                    "mIoU", "gIoU" in LISA's sense: every phrase alike
    overall   sum of intersections / sum of unions                 "oIoU", "cIoU": large objects weigh more
    P@0.5     share of phrases with iou >= 0.5

(Yu et al. 2016 and Lai et al. 2023 for the names.) Neither mean is a bug, but papers print both as "IoU". An empty
mask for an object that is not there (gRefCOCO) has iou 1. A missing prediction is an empty mask: 0 where something is
there, and it stays in every denominator. Not here: boxes (`boxes.py`), boundaries, panoptic quality.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from showtell.core.geometry import Mask, require_same_frame


@dataclass(frozen=True)
class MaskScore:
    """Scores over many phrases; see the module's docstring.

    mean_iou, overall_iou: the two averages.
    precision: share of phrases at each threshold of IoU.
    """

    mean_iou: float
    overall_iou: float
    precision: dict[float, float]


def mask_iou(a: Mask | None, b: Mask) -> float:
    """Intersection over union of the pixels; 1 where both are empty. Raises ValueError when the frames differ."""
    common, union = _areas(a, b)
    return common / union if union else 1.0


def mask_score(
    predictions: Sequence[Mask | None], targets: Sequence[Mask], thresholds: Sequence[float] = (0.5, 0.7, 0.9)
) -> MaskScore:
    """Score one mask a phrase. Raises ValueError for lists that are empty or of different lengths."""
    if not targets or len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets; one each, None where none came")
    pairs = [_areas(*pair) for pair in zip(predictions, targets, strict=True)]
    ious = [common / union if union else 1.0 for common, union in pairs]
    whole = sum(union for _, union in pairs)
    overall = sum(common for common, _ in pairs) / whole if whole else 1.0
    precision = {threshold: sum(iou >= threshold for iou in ious) / len(ious) for threshold in thresholds}
    return MaskScore(sum(ious) / len(ious), overall, precision)


def _areas(a: Mask | None, b: Mask) -> tuple[int, int]:
    """(intersection, union) in pixels."""
    if a is None:
        return 0, b.area
    require_same_frame(a, b)
    return int((a.pixels & b.pixels).sum()), int((a.pixels | b.pixels).sum())
