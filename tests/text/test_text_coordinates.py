"""Location tokens: the round trip, its measured error, and what happens to sequences that are no shape."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.geometry import Box, Frame, Point, iou
from showtell.text.coordinates import LocationCodec

FRAME = Frame(1000, 700)
CODEC = LocationCodec()
fraction = st.floats(0, 1)


def test_names_are_one_token_a_bin():
    assert LocationCodec(3).names == ["<loc_0>", "<loc_1>", "<loc_2>"]
    assert len(set(CODEC.names)) == 64


def test_the_borders_of_the_frame_are_exact():
    assert CODEC.encode(FRAME.box) == ("<loc_0>", "<loc_0>", "<loc_63>", "<loc_63>")
    assert CODEC.decode(CODEC.encode(FRAME.box), FRAME) == [FRAME.box]


def test_x_comes_before_y():
    assert LocationCodec(101).encode(Point(200, 70, FRAME)) == ("<loc_20>", "<loc_10>")
    assert LocationCodec(101).encode(Box(100, 140, 300, 280, FRAME)) == ("<loc_10>", "<loc_20>", "<loc_30>", "<loc_40>")


@settings(deadline=None)
@given(st.lists(fraction, min_size=4, max_size=4), st.integers(2, 300))
def test_a_box_comes_back_within_half_a_bin_or_as_one_bin(values: list[float], bins: int):
    codec = LocationCodec(bins)
    (x1, x2), (y1, y2) = sorted(values[:2]), sorted(values[2:])
    box = Box.from_unit((x1, y1, x2, y2), FRAME)
    (back,) = codec.decode(codec.encode(box), FRAME)
    step = 1 / (bins - 1)
    for before, after in zip(box.unit, back.unit, strict=True):
        assert abs(before - after) <= step + 1e-9  # one whole bin only where a tiny box was widened to one
    if x2 - x1 > step and y2 - y1 > step:
        assert max(abs(before - after) for before, after in zip(box.unit, back.unit, strict=True)) <= step / 2 + 1e-9
    assert back.area > 0


@settings(deadline=None)
@given(fraction, fraction)
def test_a_point_comes_back_within_half_a_bin(x: float, y: float):
    (back,) = CODEC.decode(CODEC.encode(Point.from_unit((x, y), FRAME)), FRAME)
    assert abs(back.unit[0] - x) <= 0.5 / 63 + 1e-9
    assert abs(back.unit[1] - y) <= 0.5 / 63 + 1e-9


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 63)] * 4))
def test_decoding_then_encoding_gives_the_same_tokens(marks: tuple[int, ...]):
    (x1, x2), (y1, y2) = sorted(marks[:2]), sorted(marks[2:])
    tokens = tuple(f"<loc_{mark}>" for mark in (x1, y1, x2, y2))
    shapes = CODEC.decode(tokens, FRAME)
    if x1 < x2 and y1 < y2:
        assert CODEC.encode(shapes[0]) == tokens
    else:
        assert shapes == []


def test_a_shape_outside_the_frame_is_clipped_to_it():
    assert CODEC.encode(Box(-500, -1, 2000, 800, FRAME)) == CODEC.encode(FRAME.box)
    assert CODEC.encode(Point(-9, 9999, FRAME)) == ("<loc_0>", "<loc_63>")


MEASURED = {
    32: (0.08, 0.25, 0.53, 0.74, 0.90),
    64: (0.26, 0.48, 0.74, 0.86, 0.95),
    128: (0.48, 0.68, 0.86, 0.93, 0.97),
    1024: (0.91, 0.95, 0.98, 0.99, 1.00),
}


@pytest.mark.parametrize("bins", MEASURED)
def test_the_round_trip_error_is_the_one_in_the_docstring(bins: int):
    codec, rng, square = LocationCodec(bins), random.Random(7), Frame(1000, 1000)
    for side, stated in zip((0.01, 0.02, 0.05, 0.1, 0.3), MEASURED[bins], strict=True):
        total = 0.0
        for _ in range(600):
            x, y = rng.random() * (1 - side), rng.random() * (1 - side)
            box = Box.from_unit((x, y, x + side, y + side), square)
            marks = [int(token[5:-1]) / (bins - 1) for token in codec.encode(box)]
            total += iou(box, Box.from_unit(marks, square))
        assert total / 600 == pytest.approx(stated, abs=0.03)


def test_runs_are_read_in_order_between_words():
    tokens = ["the", *CODEC.encode(FRAME.box), "and", *CODEC.encode(Point(0, 0, FRAME)), "."]
    parsed = CODEC.parse(tokens, FRAME)
    assert [(located.start, located.stop) for located in parsed.shapes] == [(1, 5), (6, 8)]
    assert CODEC.decode(tokens, FRAME) == [FRAME.box, Point(0, 0, FRAME)]
    assert parsed.dropped == ()


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (["<loc_1>"], "1 location tokens in a row"),
        (["<loc_1>"] * 3, "3 location tokens in a row"),
        (["<loc_1>", "<loc_1>", "<loc_2>", "<loc_2>"] * 2, "8 location tokens in a row"),
        (["<loc_9>", "<loc_1>", "<loc_2>", "<loc_3>"], "ends before it begins"),
        (["<loc_1>", "<loc_1>", "<loc_1>", "<loc_3>"], "is empty"),
        (["<loc_64>", "<loc_1>"], "<loc_64> is not one of 64"),
        (["<loc_-1>", "<loc_1>"], "<loc_-1> is not one of 64"),
        (["<loc_01>", "<loc_1>"], "<loc_01> is not one of 64"),
        (["<loc_0.5>", "<loc_1>"], "<loc_0.5> is not one of 64"),
    ],
)
def test_a_run_that_is_no_shape_is_dropped_with_its_reason(run: list[str], reason: str):
    parsed = CODEC.parse(["a", *run, "b"], FRAME)
    assert parsed.shapes == ()
    (dropped,) = parsed.dropped
    assert dropped.tokens == tuple(run)
    assert dropped.start == 1
    assert reason in dropped.reason


loose = st.one_of(st.integers(-3, 70).map(lambda n: f"<loc_{n}>"), st.text(max_size=8), st.sampled_from(CODEC.names))


@settings(deadline=None)
@given(st.lists(loose, max_size=30))
def test_any_sequence_is_accounted_for_and_nothing_is_guessed(tokens: list[str]):
    parsed = CODEC.parse(tokens, FRAME)
    covered = sum(located.stop - located.start for located in parsed.shapes)
    covered += sum(len(dropped.tokens) for dropped in parsed.dropped)
    assert covered == sum(token.startswith("<loc_") and token.endswith(">") for token in tokens)
    for located in parsed.shapes:
        assert located.shape.frame == FRAME
        assert located.stop - located.start == (4 if isinstance(located.shape, Box) else 2)
        assert all(token in CODEC.names for token in tokens[located.start : located.stop])
        if isinstance(located.shape, Box):
            assert located.shape.clip() == located.shape


def test_one_mark_is_no_ruler():
    with pytest.raises(ValueError, match="2 marks"):
        LocationCodec(1)
