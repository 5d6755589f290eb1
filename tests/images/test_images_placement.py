"""Placements: joined or one by one the same picture, coordinates go where the pixels go, and boxes come back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame
from showtell.images.placement import Placement, chain_view, draw_chain, merge
from showtell.images.steps import (
    BetweenEdges,
    CenterCrop,
    LongestEdge,
    PadSquare,
    ShortestEdge,
    Step,
    Stretch,
    place_all,
)

extents = st.tuples(st.integers(1, 60), st.integers(1, 60))
steps = st.lists(
    st.one_of(
        st.builds(Stretch, height=st.integers(1, 40), width=st.integers(1, 40)),
        st.builds(ShortestEdge, shortest=st.integers(1, 40)),
        st.builds(LongestEdge, longest=st.integers(1, 40), at_least=st.integers(1, 9)),
        st.builds(BetweenEdges, shortest=st.integers(1, 20), longest=st.integers(20, 40)),
        st.builds(CenterCrop, crop_height=st.integers(1, 40), crop_width=st.integers(1, 40)),
        st.builds(PadSquare, fill=st.just((9, 200, 30))),
    ),
    min_size=1,
    max_size=4,
)
KEEPING = (LongestEdge(longest=61, at_least=3), PadSquare(fill=(0, 0, 0)), Stretch(height=47, width=53))


@settings(deadline=None)
@given(extents, steps)
def test_joined_placements_draw_what_the_single_ones_draw(extent: tuple[int, int], chosen: list[Step]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*extent, 3), dtype=np.uint8)
    placements = place_all(chosen, Frame(extent[1], extent[0]))
    one_by_one = pixels
    for placement in placements:
        one_by_one = placement.draw(one_by_one, "bicubic")
    np.testing.assert_array_equal(draw_chain(pixels, placements, "bicubic"), one_by_one)
    assert len(merge(placements)) <= len(placements)


@settings(deadline=None)
@given(extents, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_comes_back_through_every_step(extent: tuple[int, int], values: list[float]) -> None:
    frame = Frame(extent[1] * 9, extent[0] * 9)
    (x1, x2), (y1, y2) = sorted(values[:2]), sorted(values[2:])
    box = Box.from_unit((x1, y1, x2, y2), frame)
    view = chain_view(place_all(KEEPING, frame))
    assert view.to_original(view.to_view(box)).xyxy == pytest.approx(box.xyxy, abs=1e-3)


def test_coordinates_go_where_the_pixels_go() -> None:
    pixels = np.zeros((30, 70, 3), dtype=np.uint8)
    pixels[10:20, 30:50] = 255
    placements = place_all((ShortestEdge(shortest=60), CenterCrop(crop_height=50, crop_width=90)), Frame(70, 30))
    rows, columns = (draw_chain(pixels, placements, "bilinear")[:, :, 0] > 127).nonzero()
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    view = chain_view(placements)
    assert view.to_view(Box(30, 10, 50, 20, Frame(70, 30))).xyxy == pytest.approx(found, abs=1)


def test_only_what_changes_something_is_kept() -> None:
    frame = Frame(12, 7)
    still = Placement.stretch(frame, 12, 7)
    moved = Placement.window(frame, 2, 1, 5, 5)
    assert merge((still, moved)) == (moved,)
    assert merge((moved, Placement.stretch(moved.canvas, 5, 5))) == (moved,)
    assert merge((still,)) == (still,)
