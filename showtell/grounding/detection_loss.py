"""The loss of a set of boxes: pair each truth with one prediction, ask pairs to agree and the rest to be silent.

    set_loss    cross-entropy over classes and "nothing" (weighted 0.1, since most queries should say it)
                + 5 |box - truth|_1 + 2 (1 - giou)                      over pairs                 (Carion et al. 2020)
    word_loss   focal binary loss over every (token, word)
                + the same two terms                                                          (Minderer et al. 2022)

The pairing itself is `matching.py` and passes no gradient. A picture without truths teaches silence only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from showtell.grounding.detect import Detections
from showtell.grounding.matching import match_boxes
from showtell.grounding.regions import pair_giou

L1, GIOU, SILENT = 5.0, 2.0, 0.1
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss (Lin et al. 2017)


@dataclass(frozen=True)
class Truth:
    """boxes: (n, 4) xyxy in fractions.    labels: (n,) numbers of classes or words."""

    boxes: Tensor
    labels: Tensor


def set_loss(found: Detections, truths: Sequence[Truth]) -> Float[Tensor, ""]:
    """Of a SetHead, mean over pictures."""
    nothing = found.logits.shape[-1] - 1
    pairs = _pairs(found, truths, found.logits.softmax(dim=-1))
    target = torch.full(found.logits.shape[:2], nothing, dtype=torch.long)
    for row, ((query, true), truth) in enumerate(zip(pairs, truths, strict=True)):
        target[row, query] = truth.labels[true]
    weight = torch.ones(nothing + 1)
    weight[nothing] = SILENT
    label = F.cross_entropy(found.logits.flatten(0, 1), target.flatten(), weight)
    return label + _box_loss(found, truths, pairs)


def word_loss(found: Detections, truths: Sequence[Truth]) -> Float[Tensor, ""]:
    """Of a WordHead, mean over pictures."""
    chance = found.logits.sigmoid()
    pairs = _pairs(found, truths, chance)
    target = torch.zeros_like(found.logits)
    for row, ((token, true), truth) in enumerate(zip(pairs, truths, strict=True)):
        target[row, token, truth.labels[true]] = 1
    plain = F.binary_cross_entropy_with_logits(found.logits, target, reduction="none")
    missed = torch.where(target == 1, 1 - chance, chance)
    share = torch.where(target == 1, ALPHA, 1 - ALPHA)
    count = max(sum(len(truth.labels) for truth in truths), 1)
    return (share * missed**GAMMA * plain).sum() / count + _box_loss(found, truths, pairs)


def _pairs(found: Detections, truths: Sequence[Truth], scores: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [
        match_boxes(found.boxes[row].detach(), scores[row].detach(), truth.boxes, truth.labels)
        for row, truth in enumerate(truths)
    ]


def _box_loss(found: Detections, truths: Sequence[Truth], pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    count = max(sum(len(truth.labels) for truth in truths), 1)
    total = found.boxes.sum() * 0
    for row, ((chosen, true), truth) in enumerate(zip(pairs, truths, strict=True)):
        boxes, wanted = found.boxes[row, chosen], truth.boxes[true]
        total = total + L1 * (boxes - wanted).abs().sum() + GIOU * (1 - pair_giou(boxes, wanted)).sum()
    return total / count
