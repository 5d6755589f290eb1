"""Set prediction: which of many predicted boxes answers for which true one (Carion et al. 2020, DETR).

    cost[i, j] = - weight_class * p_i(label of j)  +  weight_l1 * |box_i - box_j|_1  -  weight_giou * giou(box_i, box_j)

The pairing with the least total cost is found by `metrics.assignment.minimum_assignment`; every true box gets exactly
one prediction, and the predictions left over have to say "nothing". Boxes are xyxy as fractions of the picture, so
that L1 means the same for all sizes of picture. Not here: the loss of the pairs.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from showtell.grounding.regions import pair_giou
from showtell.metrics.assignment import minimum_assignment


@torch.no_grad()
def match_boxes(
    boxes: Float[Tensor, "queries 4"],
    scores: Float[Tensor, "queries labels"],
    true_boxes: Float[Tensor, "n 4"],
    true_labels: Int[Tensor, " n"],
    *,
    class_weight: float = 1.0,
    l1_weight: float = 5.0,
    giou_weight: float = 2.0,
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """(query, true box) of each pair, in order of the true boxes.

    Raises ValueError for fewer queries than true boxes, or for boxes or scores that are not finite.
    """
    if len(boxes) < len(true_boxes):
        raise ValueError(f"{len(boxes)} queries cannot answer for {len(true_boxes)} true boxes; add queries")
    cost = l1_weight * torch.cdist(boxes, true_boxes, p=1)
    cost = cost - giou_weight * pair_giou(boxes[:, None], true_boxes[None])
    cost = cost - class_weight * scores[:, true_labels.long()]
    query = minimum_assignment(np.asarray(cost.T.double().cpu()))
    return torch.from_numpy(query).to(boxes.device), torch.arange(len(true_boxes), device=boxes.device)
