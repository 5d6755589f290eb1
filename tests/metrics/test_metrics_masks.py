"""Masks scored by hand: the two means, missing and empty masks."""

import numpy as np
import pytest

from showtell.core.geometry import Frame, Mask
from showtell.metrics.masks import MaskScore, mask_iou, mask_score

FRAME = Frame(7, 5)


def rows(count: int) -> Mask:
    pixels = np.zeros((5, 7), dtype=bool)
    pixels[:count] = True
    return Mask(pixels, FRAME)


def test_large_objects_weigh_more_in_the_overall_iou():
    score = mask_score([rows(4), rows(1)], [rows(4), rows(2)])
    assert score == MaskScore(0.75, (28 + 7) / (28 + 14), {0.5: 1.0, 0.7: 0.5, 0.9: 0.5})


def test_missing_and_empty_masks():
    assert mask_iou(None, rows(2)) == 0 and mask_iou(rows(0), rows(0)) == 1 and mask_iou(rows(1), rows(0)) == 0
    assert mask_score([None], [rows(0)]).overall_iou == 1
    assert mask_score([None, rows(2)], [rows(2), rows(2)]) == MaskScore(0.5, 0.5, {0.5: 0.5, 0.7: 0.5, 0.9: 0.5})


def test_dropped_rows_and_mixed_frames_are_refused():
    with pytest.raises(ValueError, match="0 predictions for 1 targets"):
        mask_score([], [rows(1)])
    with pytest.raises(ValueError, match="different frames"):
        mask_iou(Mask(np.zeros((3, 3), dtype=bool), Frame(3, 3)), rows(1))
