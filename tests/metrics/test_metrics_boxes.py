"""Acc@IoU and pointing: the side of the threshold, missing predictions, and the denominator."""

import numpy as np
import pytest

from showtell.core.geometry import Box, Frame, Mask, Point
from showtell.metrics.boxes import acc_at_iou, box_hit, mdetr_hit, pointing_hit, shikra_hit

FRAME = Frame(12, 9)
TARGET = Box(0, 0, 4, 2, FRAME)


def test_the_threshold_is_inclusive():
    half = Box(0, 0, 2, 2, FRAME)
    assert box_hit(half, TARGET, 0.5)
    assert not box_hit(Box(0, 0, 1.99, 2, FRAME), TARGET, 0.5)
    assert not box_hit(half, TARGET, 0.75)


def test_the_variants_are_stricter():
    half, beside = Box(0, 0, 2, 2, FRAME), Box(1, 0.5, 5, 2.5, FRAME)
    assert box_hit(half, TARGET) and not shikra_hit(half, TARGET) and mdetr_hit(half, TARGET)
    assert box_hit(beside, TARGET, 0.39) and not mdetr_hit(beside, TARGET, 0.39)
    assert not shikra_hit(None, TARGET) and not mdetr_hit(None, TARGET)


def test_missing_predictions_stay_in_the_denominator():
    assert acc_at_iou([TARGET, None, Box(8, 8, 9, 9, FRAME)], [TARGET] * 3) == pytest.approx(1 / 3)


def test_dropped_rows_are_refused():
    with pytest.raises(ValueError, match="1 predictions for 2 targets"):
        acc_at_iou([TARGET], [TARGET, TARGET])
    with pytest.raises(ValueError, match="0 predictions"):
        acc_at_iou([], [])


def test_frames_are_not_mixed():
    with pytest.raises(ValueError, match="different frames"):
        box_hit(Box(0, 0, 4, 2, Frame(4, 4)), TARGET)


def test_pointing_prefers_the_mask_to_its_box():
    pixels = np.zeros((9, 12), dtype=bool)
    pixels[0, :5] = pixels[:5, 0] = True  # an L; its box is full of holes
    mask, inside_box = Mask(pixels, FRAME), Point(3.5, 3.5, FRAME)
    assert pointing_hit(inside_box, mask.box)
    assert not pointing_hit(inside_box, mask)
    assert pointing_hit(Point(4.5, 0.5, FRAME), mask)
    assert not pointing_hit(None, mask)
