"""Boxes and points against the truth: Acc@IoU and the pointing game.

    Acc@0.5      share of phrases whose box overlaps the true one with IoU >= 0.5; one row a *phrase* (RefCOCO)
    pointing     share of points that fall on the object: in its mask, or in its box where no mask is known

The threshold is inclusive, as in the evaluation code of Qwen-VL, lmms-eval and VLMEvalKit; Shikra's is exclusive and
MDETR's thresholds the stricter generalised IoU. A missing prediction counts as wrong and stays in the denominator.
Not here: average precision over ranked detections.
"""

from collections.abc import Sequence

from showtell.core.geometry import Box, Mask, Point, iou


def box_hit(prediction: Box | None, target: Box, threshold: float = 0.5) -> bool:
    """Whether the predicted box is the target's. Raises ValueError when their frames differ."""
    return prediction is not None and iou(prediction, target) >= threshold


def acc_at_iou(predictions: Sequence[Box | None], targets: Sequence[Box], threshold: float = 0.5) -> float:
    """Share of hits. Raises ValueError for lists that are empty or of different lengths: dropped rows flatter."""
    if not targets or len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets; one each, None where none came")
    return sum(box_hit(*pair, threshold) for pair in zip(predictions, targets, strict=True)) / len(targets)


def pointing_hit(prediction: Point | None, target: Box | Mask) -> bool:
    """Whether the point is on the target. Raises ValueError when their frames differ."""
    return prediction is not None and target.contains(prediction)
