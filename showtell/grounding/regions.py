"""The family of overlaps of boxes, on tensors, pair by pair: what a box head is trained with.

    iou    |a ∩ b| / |a ∪ b|                                     0 wherever boxes are apart: no slope to follow
    giou   iou - (|hull| - |union|) / |hull|                     Rezatofighi et al. 2019, in (-1, 1]
    diou   iou - (distance of centres / diagonal of hull)²       Zheng et al. 2020
    ciou   diou - alpha * v       v = 4/pi² (atan(w_b/h_b) - atan(w_a/h_a))²,  alpha = v / (1 - iou + v), held constant

Boxes are xyxy; gradients flow through both arguments. Empty boxes divide by nothing: their iou is 0 and their giou
finite. For two typed boxes there are `core.geometry.iou` and `giou`, for all pairs `box_iou_matrix`. Not here: the
losses (1 - overlap, plus L1), matching (`matching.py`).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Boxes = Float[Tensor, "*#batch 4"]
Overlap = Float[Tensor, "..."]
EPSILON = 1e-7  # as the published implementations add to a denominator that may be 0


def pair_iou(a: Boxes, b: Boxes) -> Overlap:
    """Intersection over union of each pair."""
    common, union = _common_and_union(a, b)
    return common / union.clamp(min=torch.finfo(union.dtype).tiny)


def pair_giou(a: Boxes, b: Boxes) -> Overlap:
    """Generalised IoU of each pair."""
    common, union = _common_and_union(a, b)
    hull = _hull(a, b).prod(dim=-1)
    tiny = torch.finfo(union.dtype).tiny
    return common / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def pair_diou(a: Boxes, b: Boxes) -> Overlap:
    """Distance IoU of each pair, in (-1, 1]."""
    diagonal = _hull(a, b).square().sum(dim=-1) + EPSILON
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(dim=-1)
    return pair_iou(a, b) - apart / diagonal


def pair_ciou(a: Boxes, b: Boxes) -> Overlap:
    """Complete IoU of each pair; `b` is the true one."""
    shape = 4 / math.pi**2 * (_angle(b) - _angle(a)).square()
    with torch.no_grad():
        alpha = shape / (1 - pair_iou(a, b) + shape + EPSILON)
    return pair_diou(a, b) - alpha * shape


def _common_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    common = sides.clamp(min=0).prod(dim=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) for boxes in (a, b)]
    return common, areas[0] + areas[1] - common


def _hull(a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])


def _angle(boxes: Tensor) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(dim=-1)
    return torch.atan2(width, height)
