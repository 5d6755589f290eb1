"""Drawn boxes: where they are said to be, in colours that differ, with labels that stay on the picture."""

import numpy as np
import pytest

from showtell.images.draw import INK, PALETTE, PAPER, _Pen, _readable_on, draw_boxes

GREY = np.full((501, 701, 3), 128, np.uint8)


def changed(drawn) -> np.ndarray:
    """bool[height, width]: which pixels differ from the grey picture by more than the tint does."""
    return np.abs(np.asarray(drawn).astype(int) - 128).max(-1) > 40


def test_the_outer_edge_of_the_line_is_the_box() -> None:
    touched = changed(draw_boxes(GREY, [("", (100, 150, 300, 350))], tint=False))
    rows, columns = np.where(touched)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == pytest.approx((100, 150, 300, 350), abs=1)
    assert not touched[200:300, 150:250].any(), "the inside is left alone"


def test_boxes_follow_the_enlargement_of_a_small_picture() -> None:
    drawn = draw_boxes(np.full((64, 96, 3), 128, np.uint8), [("", (48, 16, 72, 48))], tint=False, enlarge_to=960)
    rows, columns = np.where(changed(drawn))
    assert drawn.size == (960, 640)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == pytest.approx((480, 160, 720, 480), abs=1)


def test_a_label_has_one_colour_and_two_labels_have_two() -> None:
    boxes = [("dog", (50, 100, 150, 200)), ("cat", (250, 100, 350, 200)), ("dog", (450, 100, 550, 200))]
    drawn = np.asarray(draw_boxes(GREY, boxes, tint=False))
    middles = [tuple(int(value) for value in drawn[150, left + 1]) for left in (50, 250, 450)]
    assert middles[0] == middles[2] == PALETTE[0] and middles[1] == PALETTE[1]


@pytest.mark.parametrize(
    "corners", [(0, 0, 701, 501), (0, 0, 60, 30), (660, 470, 701, 501), (-50, -50, 800, 600), (300, 0, 420, 501)]
)
def test_a_tab_stays_on_the_picture(corners) -> None:
    pen = _Pen.on((701, 501))
    pen.tab("a rather long label for a small thing", tuple(3.0 * value for value in corners), PALETTE[0], inside=True)
    x1, y1, x2, y2 = pen.taken[0]
    assert x1 >= 0 and y1 >= 0 and x2 <= pen.canvas.width and y2 <= pen.canvas.height


def test_tabs_do_not_cover_each_other_while_there_is_room() -> None:
    pen = _Pen.on((701, 501))
    for label in ("red flag", "blue flag", "small dog", "tree"):
        pen.tab(label, (600.0, 600.0, 1200.0, 1000.0), PALETTE[0], inside=True)
    assert all(pen._covered(place) == (place[2] - place[0]) * (place[3] - place[1]) for place in pen.taken)


def test_an_endless_label_is_cut_to_the_picture() -> None:
    pen = _Pen.on((701, 501))
    pen.tab("word " * 200, (30.0, 90.0, 60.0, 120.0), PALETTE[0], inside=True)
    assert pen.taken[0][2] <= pen.canvas.width
    assert pen._fitted("short", 1e4) == "short" and pen._fitted("word " * 200, 900).endswith("…")


@pytest.mark.parametrize("box", [(10, 10, 11, 11), (10, 10, 10, 10), (700, 500, 701, 501)])
def test_a_tiny_box_is_still_drawn(box) -> None:
    assert changed(draw_boxes(GREY, [("dot", box)])).any()


def test_points_are_rings_around_a_dot() -> None:
    touched = changed(draw_boxes(GREY, points=[("", (350, 250))]))
    rows, columns = np.where(touched)
    assert ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2) == pytest.approx((350, 250), abs=1)
    assert touched[250, 350] and not touched[250, 350 + 7], "a dot, a gap, a ring"


def test_text_on_a_tab_can_be_read() -> None:
    assert _readable_on((240, 228, 66)) == INK and _readable_on((0, 114, 178)) == PAPER


def test_nothing_to_draw_leaves_a_large_picture_as_it_is() -> None:
    assert (np.asarray(draw_boxes(GREY)) == GREY).all()


def test_a_large_picture_is_drawn_within_bounded_memory() -> None:
    assert _Pen.on((6000, 4000)).supersample == 1 and _Pen.on((700, 500)).supersample == 3
