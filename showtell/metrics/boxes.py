"""Boxes and points against the truth: Acc@IoU and the pointing game.

    Acc@0.5      share of phrases whose box overlaps the true one with IoU >= 0.5; one row a *phrase* (RefCOCO)
    pointing     share of points that fall on the object: in its mask, or in its box where no mask is known

No official script for RefCOCO's comprehension exists. The threshold here is inclusive, as in the evaluation code of
Qwen-VL, lmms-eval, VLMEvalKit and big_vision; `shikra_hit` is exclusive and `mdetr_hit` takes the stricter generalised
IoU, and numbers under them are not comparable with the others. A missing prediction counts as wrong and stays in the
denominator. Not here: average precision over ranked detections.
"""

from collections.abc import Sequence

from showtell.core.geometry import Box, Mask, Point, giou, iou


def box_hit(prediction: Box | None, target: Box, threshold: float = 0.5) -> bool:
    """Whether the predicted box is the target's. Raises ValueError when their frames differ."""
    return prediction is not None and iou(prediction, target) >= threshold


def shikra_hit(prediction: Box | None, target: Box, threshold: float = 0.5) -> bool:
    """The same with the threshold itself a miss; Shikra measures it in the square that pictures were padded to."""
    return prediction is not None and iou(prediction, target) > threshold


def mdetr_hit(prediction: Box | None, target: Box, threshold: float = 0.5) -> bool:
    """The same by generalised IoU, never more often true."""
    return prediction is not None and giou(prediction, target) >= threshold


def acc_at_iou(predictions: Sequence[Box | None], targets: Sequence[Box], threshold: float = 0.5) -> float:
    """Share of hits. Raises ValueError for lists that are empty or of different lengths: dropped rows flatter."""
    if not targets or len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets; one each, None where none came")
    return sum(box_hit(*pair, threshold) for pair in zip(predictions, targets, strict=True)) / len(targets)


def pointing_hit(prediction: Point | None, target: Box | Mask) -> bool:
    """Whether the point is on the target. Raises ValueError when their frames differ."""
    return prediction is not None and target.contains(prediction)
