"""Geometry: hand-computed overlaps, invariances, and refusal to mix frames."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame, Mask, Point, box_iou_matrix, giou, intersection, iou

FRAME = Frame(20, 10)
side = st.floats(-5, 25, allow_nan=False)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    (x1, x2), (y1, y2) = sorted((draw(side), draw(side))), sorted((draw(side), draw(side)))
    return Box(x1, y1, x2, y2, FRAME)


def test_overlaps_computed_by_hand():
    a, b = Box(0, 0, 4, 4, FRAME), Box(2, 2, 6, 6, FRAME)
    assert intersection(a, b) == 4
    assert iou(a, b) == pytest.approx(4 / 28)
    assert giou(a, b) == pytest.approx(4 / 28 - (36 - 28) / 36)
    apart = Box(10, 0, 12, 4, FRAME)
    assert iou(a, apart) == 0
    assert giou(a, apart) == pytest.approx(-(48 - 24) / 48)


@settings(deadline=None)
@given(boxes(), boxes())
def test_iou_is_a_symmetric_share_and_giou_never_exceeds_it(a: Box, b: Box):
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert -1 - 1e-9 <= giou(a, b) <= iou(a, b) + 1e-9
    if a.area > 1e-6:
        assert iou(a, a) == pytest.approx(1) == giou(a, a)


@settings(deadline=None)
@given(st.lists(boxes(), min_size=1, max_size=4), st.lists(boxes(), min_size=1, max_size=3))
def test_the_matrix_holds_the_pairwise_ious(first: list[Box], second: list[Box]):
    rows, columns = (torch.tensor([box.xyxy for box in part], dtype=torch.float64) for part in (first, second))
    expected = torch.tensor([[iou(a, b) for b in second] for a in first], dtype=torch.float64)
    torch.testing.assert_close(box_iou_matrix(rows, columns), expected)


def test_empty_boxes_overlap_nothing_and_divide_by_nothing():
    empty = Box(3, 3, 3, 3, FRAME)
    assert iou(empty, empty) == giou(empty, empty) == 0
    matrix = box_iou_matrix(torch.tensor([empty.xyxy]), torch.tensor([empty.xyxy, (0.0, 0.0, 9.0, 9.0)]))
    assert matrix.tolist() == [[0, 0]]


@settings(deadline=None)
@given(boxes())
def test_unit_coordinates_are_the_same_box(box: Box):
    back = Box.from_unit(box.unit, FRAME)
    assert back.xyxy == pytest.approx(box.xyxy, abs=1e-9)
    assert Point.from_unit(box.center.unit, FRAME).x == pytest.approx(box.center.x, abs=1e-9)


def test_a_full_frame_box_is_the_unit_square():
    assert FRAME.box.xyxy == (0, 0, 20, 10)
    assert FRAME.box.unit == (0, 0, 1, 1)
    assert FRAME.box.area == 200
    assert FRAME.box.center == Point(10, 5, FRAME)


@settings(deadline=None)
@given(boxes())
def test_clipping_keeps_what_the_frame_keeps(box: Box):
    clipped = box.clip()
    assert clipped.area == pytest.approx(intersection(box, FRAME.box), abs=1e-9)
    assert clipped.clip() == clipped


def test_shapes_of_different_frames_never_meet():
    here, there = Box(0, 0, 4, 4, FRAME), Box(0, 0, 4, 4, Frame(4, 4))
    for function in (iou, giou, intersection):
        with pytest.raises(ValueError, match="different frames"):
            function(here, there)
    with pytest.raises(ValueError, match="different frames"):
        here.contains(there.center)


@pytest.mark.parametrize("edges", [(4, 0, 2, 1), (0, 4, 1, 2), (0, 0, math.nan, 1), (0, 0, math.inf, 1)])
def test_a_box_that_is_none_is_refused(edges: tuple[float, ...]):
    with pytest.raises(ValueError):
        Box(*edges, FRAME)


def test_a_frame_without_pixels_is_refused():
    with pytest.raises(ValueError, match="0 x 3"):
        Frame(0, 3)


def test_numbers_are_stored_as_plain_floats():
    box = Box(np.float64(1), 2, 3, 4.0, FRAME)
    assert all(type(value) is float for value in box.xyxy)
    assert box == Box(1, 2, 3, 4, FRAME)


def test_a_mask_knows_its_box_area_and_pixels():
    pixels = np.zeros((10, 20), dtype=bool)
    pixels[2:5, 7] = pixels[4, 9] = True
    mask = Mask(pixels, FRAME)
    assert mask.box == Box(7, 2, 10, 5, FRAME)
    assert mask.area == 4
    assert mask.contains(Point(7.9, 2.1, FRAME))
    assert not mask.contains(Point(8.1, 2.1, FRAME))
    assert not mask.contains(Point(-3, 2, FRAME))


def test_the_far_edge_belongs_to_the_last_pixel():
    pixels = np.zeros((10, 20), dtype=bool)
    pixels[9, 19] = True
    assert Mask(pixels, FRAME).contains(Point(20, 10, FRAME))
    assert FRAME.box.contains(Point(20, 10, FRAME))


def test_masks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no box"):
        _ = Mask(np.zeros((10, 20), dtype=bool), FRAME).box
    with pytest.raises(ValueError, match="not bool"):
        Mask(np.zeros((20, 10), dtype=bool), FRAME)
