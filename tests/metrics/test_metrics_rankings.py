"""Detection, retrieval, classification, calibration and pointing against the reference implementations."""

import itertools

import numpy as np
import pytest
import torch
from golden import golden
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame, Mask, Point
from showtell.metrics.assignment import minimum_assignment
from showtell.metrics.average_precision import Annotation, Detection, average_precision, coco_summary
from showtell.metrics.calibration import adaptive_ece, brier, brier_multiclass, ece, official_ece
from showtell.metrics.classification import mean_average_precision, mean_per_class, official_top_k, top_k
from showtell.metrics.pointing import PointingScore, official_pointing, pointing
from showtell.metrics.retrieval import official_recall_at_k, recall_at_k

BIG = Frame(2000, 2000)
FRAME = Frame(12, 9)


def corners(x: float, y: float, width: float, height: float) -> Box:
    return Box(x, y, x + width, y + height, BIG)


def test_the_twelve_numbers_of_coco():
    sets = golden("detections")
    assert len(sets) > 40
    for results, annotations, stats in sets:
        found = [Detection(image, label, corners(*box), score) for image, label, box, score in results]
        there = [Annotation(i, label, corners(*box), area, bool(crowd)) for i, label, box, area, crowd in annotations]
        assert list(coco_summary(found, there).values()) == pytest.approx(stats, abs=1e-9)


def test_clean_average_precision_by_hand():
    a, b, far = corners(0, 0, 10, 10), corners(50, 0, 10, 10), corners(500, 500, 10, 10)
    there = [Annotation(1, "cat", a), Annotation(1, "cat", b)]
    found = [Detection(1, "cat", a, 0.9), Detection(1, "cat", far, 0.8), Detection(1, "cat", b, 0.7)]
    assert average_precision(found, there) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(found[:1], there) == pytest.approx(0.5)
    assert average_precision([], there) == 0
    assert average_precision([Detection(1, "cat", a, 0.9), Detection(1, "cat", a, 0.8)], there[:1]) == 1
    crowd = [*there, Annotation(1, "cat", far, crowd=True)]
    assert average_precision(found, crowd) == 1  # a box on the crowd counts neither way


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="nothing to find|no annotation"):
        average_precision([], [])
    with pytest.raises(ValueError, match="cannot be ranked"):
        average_precision([Detection(1, 1, corners(0, 0, 1, 1), float("nan"))], [])
    assert set(coco_summary([], []).values()) == {-1.0}


def test_retrieval_is_clip_benchmark():
    for scores, image_of, found in golden("retrieval"):
        matrix, owners = torch.tensor(scores, dtype=torch.float64), torch.tensor(image_of)
        ours = [value for k in (1, 5, 10) for value in official_recall_at_k(matrix, owners, k)]
        assert ours == pytest.approx(found, abs=1e-12)
        clean = [value for k in (1, 5, 10) for value in recall_at_k(matrix, owners, k)]
        if matrix.unique().numel() == matrix.numel():
            assert clean == pytest.approx(found, abs=1e-12)
        assert all(mine <= theirs + 1e-12 for mine, theirs in zip(clean, found, strict=True))


def test_constant_features_retrieve_nothing():
    owners = torch.arange(7)
    assert official_recall_at_k(torch.zeros(7, 7), owners, 5)[0] == pytest.approx(5 / 7)
    assert recall_at_k(torch.zeros(7, 7), owners, 5) == (0, 0)
    assert recall_at_k(torch.zeros(7, 7), owners, 7) == (1, 1)


@pytest.mark.parametrize("owners", [[0, 0, 0], [0, 1, 5]])
def test_retrieval_needs_a_text_for_each_image(owners: list[int]):
    with pytest.raises(ValueError, match="each text needs one image"):
        recall_at_k(torch.zeros(3, 2), torch.tensor(owners), 1)
    with pytest.raises(ValueError, match="NaN"):
        recall_at_k(torch.full((2, 2), float("nan")), torch.tensor([0, 1]), 1)


def test_classification_is_scikit_learn():
    for scores, truth, accuracy, balanced, coarse, many, mean in golden("classification"):
        matrix, classes = torch.tensor(scores, dtype=torch.float64), torch.tensor(truth)
        assert official_top_k(matrix, classes) == pytest.approx(accuracy) == top_k(matrix, classes)
        if balanced is not None:
            assert mean_per_class(matrix, classes) == pytest.approx(balanced)
        if mean is not None:
            labels = torch.tensor(many, dtype=torch.bool)
            assert mean_average_precision(torch.tensor(coarse), labels) == pytest.approx(mean, abs=1e-9)


def test_a_model_that_says_the_same_for_all_classes():
    zeros, truth = torch.zeros(4, 3), torch.tensor([0, 0, 1, 2])
    assert official_top_k(zeros, truth) == 0.5
    assert top_k(zeros, truth) == 0 and top_k(zeros, truth, 3) == 1
    with pytest.raises(ValueError, match="0 to 2"):
        top_k(zeros, torch.tensor([0, 0, 1, 3]))
    with pytest.raises(ValueError, match="no label"):
        mean_average_precision(zeros, torch.zeros(4, 3, dtype=torch.bool))


def test_calibration_is_torchmetrics():
    for confidence, right, bins, value in golden("calibration"):
        said, true = torch.tensor(confidence, dtype=torch.float64), torch.tensor(right, dtype=torch.bool)
        assert official_ece(said, true, bins) == pytest.approx(value, abs=1e-12)
        assert 0 <= adaptive_ece(said, true, bins) <= 1
        assert ece(said, true, 1) == pytest.approx(abs((said - true.double()).mean().item()))


def test_calibration_by_hand():
    said, right = torch.tensor([1.0, 0.95, 0.95, 0.95]), torch.tensor([True, True, True, False])
    assert official_ece(said, right, 10) == pytest.approx(3 * abs(0.95 - 2 / 3) / 4, abs=1e-6)
    assert ece(said, right, 10) == pytest.approx(abs(3.85 - 3) / 4, abs=1e-6)
    assert brier(said, right) == pytest.approx((0 + 2 * 0.05**2 + 0.95**2) / 4, abs=1e-6)
    assert brier_multiclass(torch.tensor([[0.7, 0.3]]), torch.tensor([1])) == pytest.approx(0.98)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ece(torch.tensor([1.2]), torch.tensor([True]))
    with pytest.raises(ValueError, match="0 confidences"):
        brier(torch.zeros(0), torch.zeros(0, dtype=torch.bool))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_assignment_is_the_cheapest(n: int, m: int, rng):  # type: ignore[no-untyped-def]
    cost = np.array([[rng.choice([rng.random(), float(rng.randrange(-3, 4))]) for _ in range(m)] for _ in range(n)])
    column_of = minimum_assignment(cost)
    rows = np.flatnonzero(column_of >= 0)
    assert len(rows) == min(n, m) == len(set(column_of[rows]))
    wide = cost if n <= m else cost.T
    best = min(wide[range(len(wide)), order].sum() for order in itertools.permutations(range(wide.shape[1]), len(wide)))
    assert cost[rows, column_of[rows]].sum() == pytest.approx(best)


def test_impossible_costs_are_refused():
    with pytest.raises(ValueError, match="finite"):
        minimum_assignment(np.array([[np.inf]]))


def filled(box: list[int], frame: Frame) -> Mask:
    pixels = np.zeros((frame.height, frame.width), dtype=bool)
    pixels[box[1] : box[3], box[0] : box[2]] = True
    return Mask(pixels, frame)


def test_pointing_is_molmo():
    for size, boxes, points, *expected in golden("pointing"):
        frame = Frame(*size)
        masks, said = [filled(box, frame) for box in boxes], [Point(x, y, frame) for x, y in points]
        score = official_pointing(said, [mask.box.center for mask in masks], masks)
        assert [score.precision, score.recall, score.f1] == pytest.approx(expected, abs=1e-9)
        assert pointing(said, masks).f1 >= 0


def test_clean_pointing_takes_the_best_of_overlapping_objects():
    small, large = filled([0, 0, 2, 2], FRAME), filled([0, 0, 6, 6], FRAME)
    points = [Point(1, 1, FRAME), Point(5, 5, FRAME)]
    assert pointing(points, [large, small]) == PointingScore(1, 1, 1)
    alone = pointing(points[1:], [large, small])
    assert (alone.precision, alone.recall, alone.f1) == (1, 0.5, pytest.approx(2 / 3))
    assert pointing([], []) == PointingScore(1, 1, 1) and pointing([], [small]) == PointingScore(0, 0, 0)
    with pytest.raises(ValueError, match="different frames"):
        pointing([Point(1, 1, Frame(3, 3))], [small])
