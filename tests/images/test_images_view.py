"""ViewTransform: there and back within 1e-4 pixels, for every mode, and pixels agree with coordinates."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame, Point
from showtell.images.decode import decode
from showtell.images.processor import Processor, ProcessorConfig
from showtell.images.view import ViewTransform

MODES = ("pad", "stretch", "crop")
frames = st.builds(Frame, st.integers(1, 5000), st.integers(1, 5000))
unit = st.floats(0, 1)


def view_of(frame: Frame, mode: str, size: int = 96) -> ViewTransform:
    return Processor(ProcessorConfig(image_size=size, mode=mode)).view(frame)


def box_of(values: list[float], frame: Frame) -> Box:
    (x1, x2), (y1, y2) = sorted(values[:2]), sorted(values[2:])
    return Box.from_unit((x1, y1, x2, y2), frame)


@settings(deadline=None)
@given(frames, st.lists(unit, min_size=4, max_size=4), st.sampled_from(MODES), st.integers(8, 400))
def test_a_box_comes_back(frame: Frame, values: list[float], mode: str, size: int):
    view = view_of(frame, mode, size)
    box = box_of(values, frame)
    there = view.to_view(box)
    assert there.frame == Frame(size, size)
    assert view.to_original(there).xyxy == pytest.approx(box.xyxy, abs=1e-4)
    point = view.to_original(view.to_view(box.center))
    assert (point.x, point.y) == pytest.approx((box.center.x, box.center.y), abs=1e-4)


@settings(deadline=None)
@given(frames, st.lists(unit, min_size=4, max_size=4), st.sampled_from(MODES))
def test_a_prediction_anywhere_lands_inside_the_original(frame: Frame, values: list[float], mode: str):
    view = view_of(frame, mode)
    back = view.to_original(box_of(values, view.target))
    assert back.frame == frame
    assert back == back.clip()
    if mode != "pad":  # what was seen is exactly invertible; padding is not in the picture
        assert view.to_view(back).xyxy == pytest.approx(box_of(values, view.target).xyxy, abs=1e-4)


@settings(deadline=None)
@given(frames, st.sampled_from(MODES))
def test_pad_and_stretch_show_everything_and_crop_fills_the_square(frame: Frame, mode: str):
    view = view_of(frame, mode)
    whole = view.to_view(frame.box)
    inside = whole.clip().area
    if mode == "crop":
        assert inside == pytest.approx(96 * 96)
    else:
        assert inside == pytest.approx(whole.area)
    if mode == "pad":
        assert max(whole.width, whole.height) == pytest.approx(96)


def test_a_wide_picture_by_hand():
    view = view_of(Frame(200, 100), "pad", 50)
    assert view.to_view(Frame(200, 100).box) == Box(0, 12, 50, 37, Frame(50, 50))
    assert view.to_original(Point(25, 24.5, Frame(50, 50))) == Point(100, 50, Frame(200, 100))
    assert view.to_original(Box(0, 0, 50, 12, Frame(50, 50))).area == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extent", [(60, 37), (37, 60), (48, 48)])
def test_coordinates_go_where_the_pixels_go(mode: str, extent: tuple[int, int]):
    width, height = extent
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    middle = Box(width // 2 - 8, height // 2 - 5, width // 2 + 8, height // 2 + 5, Frame(width, height))
    pixels[int(middle.y1) : int(middle.y2), int(middle.x1) : int(middle.x2)] = 255
    processed = Processor(ProcessorConfig(image_size=96, mode=mode, fill=(0, 0, 0)))(decode(pixels))
    bright = (processed.pixels[0] > 0).nonzero()
    found = [*bright.min(dim=0).values.flip(0).tolist(), *(bright.max(dim=0).values.flip(0) + 1).tolist()]
    assert processed.view.to_view(middle).xyxy == pytest.approx(found, abs=1)


def test_composition_is_one_after_the_other():
    first = view_of(Frame(640, 480), "pad", 96)
    then = view_of(Frame(96, 96), "crop", 31)
    both, box = first.compose(then), Box(100, 50, 300, 400, Frame(640, 480))
    assert both.to_view(box).xyxy == pytest.approx(then.to_view(first.to_view(box)).xyxy)
    assert both.to_original(both.to_view(box)).xyxy == pytest.approx(box.xyxy)
    with pytest.raises(ValueError, match="intermediate"):
        then.compose(first)


def test_the_identity_moves_nothing():
    frame = Frame(7, 5)
    assert ViewTransform.identity(frame).to_view(frame.box) == frame.box


def test_shapes_of_another_frame_are_refused():
    view = view_of(Frame(640, 480), "pad")
    with pytest.raises(ValueError, match="original"):
        view.to_view(Frame(480, 640).box)
    with pytest.raises(ValueError, match="view"):
        view.to_original(Frame(640, 480).box)


def test_it_survives_pickling():
    view = view_of(Frame(640, 480), "crop")
    assert pickle.loads(pickle.dumps(view)) == view


def test_a_scale_that_cannot_be_undone_is_refused():
    with pytest.raises(ValueError, match="positive"):
        ViewTransform(0.0, 1.0, 0.0, 0.0, Frame(2, 2), Frame(2, 2))
