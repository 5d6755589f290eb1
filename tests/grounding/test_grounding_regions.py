"""Overlaps of boxes against torchvision's golden vectors and by their properties, and the matching of a set."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from showtell.core.geometry import Box, Frame, giou, iou
from showtell.grounding.matching import match_boxes
from showtell.grounding.regions import pair_ciou, pair_diou, pair_giou, pair_iou

FAMILY = (pair_iou, pair_giou, pair_diou, pair_ciou)


def test_the_family_is_torchvision():
    with gzip.open(Path(__file__).parents[1] / "golden" / "overlaps.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    a, b = (torch.tensor([row[side] for row in rows], dtype=torch.float64) for side in (0, 1))
    for column, overlap in enumerate(FAMILY[1:], start=2):
        expected = torch.tensor([row[column] for row in rows], dtype=torch.float64)
        torch.testing.assert_close(overlap(a, b), expected, atol=2e-6, rtol=0)  # theirs adds 1e-7 to every denominator
    assert pair_iou(a, b)[0].item() == pytest.approx(
        iou(*(Box(*row, Frame(99, 99)) for row in (rows[0][0], rows[0][1])))
    )


def test_typed_and_tensor_agree_and_touching_boxes_have_slopes():
    a, b = Box(0, 0, 2, 2, Frame(9, 9)), Box(4, 0, 6, 2, Frame(9, 9))
    pair = [torch.tensor([box.xyxy], dtype=torch.float64, requires_grad=True) for box in (a, b)]
    assert pair_giou(*pair).item() == pytest.approx(giou(a, b))
    for overlap in FAMILY[1:]:
        (slope,) = torch.autograd.grad(overlap(*pair).sum(), pair[0])
        assert slope.abs().sum() > 0 and torch.isfinite(slope).all()


def test_empty_boxes_divide_by_nothing():
    empty = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    for overlap in FAMILY:
        assert torch.isfinite(overlap(empty, empty)).all()
        assert torch.isfinite(overlap(empty, torch.tensor([[0.0, 0.0, 1.0, 2.0]]))).all()


def test_a_set_is_matched_by_place_and_by_label():
    true = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]])
    boxes = torch.cat([true.flip(0) + 0.01, torch.tensor([[0.4, 0.0, 0.6, 0.1]])])
    scores = torch.full((3, 2), 0.5)
    query, target = match_boxes(boxes, scores, true, torch.tensor([0, 1]))
    assert query.tolist() == [1, 0] and target.tolist() == [0, 1]
    same = true[:1].repeat(2, 1)
    query, _ = match_boxes(same, torch.tensor([[0.1, 0.9], [0.9, 0.1]]), same, torch.tensor([0, 1]))
    assert query.tolist() == [1, 0]
    with pytest.raises(ValueError, match="add queries"):
        match_boxes(boxes[:1], scores[:1], true, torch.tensor([0, 1]))
