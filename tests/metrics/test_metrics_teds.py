"""TEDS against PubTabNet's script, the tree distance by its properties, and where the clean form departs."""

import pytest
from golden import golden

from showtell.metrics.teds import Node, official_teds, teds, tree_distance


def page(rows: str) -> str:
    return f"<html><body><table>{rows}</table></body></html>"


def test_teds_is_pubtabnet():
    rows = golden("tables")
    assert len(rows) > 600
    for index, (said, true, score, structure) in enumerate(rows):
        assert official_teds(said, true) == pytest.approx(score, abs=1e-9), (said, true)
        if index % 6 == 0:  # the same parser and distance; the checks of types at run time make it slow here
            assert official_teds(said, true, structure_only=True) == pytest.approx(structure, abs=1e-9), (said, true)


@pytest.mark.parametrize(
    ("said", "true", "official", "clean"),
    [
        (page("<tr><td>a</td></tr>"), page("<tr><td>a</td></tr>"), 1, 1),
        ("<table><tr><td>a</td></tr></table>", page("<tr><td>a</td></tr>"), 0, 1),
        (page("<tr><th>a</th></tr>"), page("<tr><th>b</th></tr>"), 1, 1 - 1 / 3),
        (page("<tr><th>a</th></tr>"), page("<tr><td>a</td></tr>"), 0.5, 1),
        (page("<tr><td>a  b</td></tr>"), page("<tr><td>a b</td></tr>"), 1 - 0.25 / 2, 1),
        (page("<tr><td><b>ab</b></td></tr>"), page("<tr><td>ab</td></tr>"), 1 - 0.5 / 3, 1),
        ("", page("<tr><td>a</td></tr>"), 0, 0),
        ("no table", page("<tr><td>a</td></tr>"), 0, 0),
    ],
)
def test_where_teds_departs(said: str, true: str, official: float, clean: float):
    assert official_teds(said, true) == pytest.approx(official)
    assert teds(said, true) == pytest.approx(clean)


def test_structure_alone_ignores_text():
    assert teds(page("<tr><td>a</td></tr>"), page("<tr><td>b</td></tr>"), structure_only=True) == 1
    assert teds(page("<tr><td colspan=x>a</td></tr>"), page("<tr><td>a</td></tr>")) == 1
    with pytest.raises(ValueError, match="no <table>"):
        teds("x", "y")


@pytest.mark.parametrize(
    "said", ["<table>" * 4000, page("<tr>" + "<td><b>" * 3000), "<html><body><table", page("</td></b>")]
)
def test_broken_pages_score_and_do_not_break(said: str):
    assert 0 <= teds(said, page("<tr><td>a</td></tr>")) < 1
    assert official_teds(said, page("<tr><td>a</td></tr>")) < 1
    assert official_teds(page(""), page("")) == 1


def chain(length: int) -> Node:
    node = Node("x", None, (), ())
    for _ in range(length - 1):
        node = Node("x", None, (), (node,))
    return node


def test_the_distance_of_trees_by_hand():
    leaf = Node("a", None, (), ())
    flat, deep = Node("r", None, (), (leaf, leaf, leaf)), Node("r", None, (), (Node("b", None, (), (leaf, leaf)), leaf))
    assert tree_distance(flat, flat) == 0
    assert tree_distance(flat, deep) == 1 == tree_distance(deep, flat)
    assert tree_distance(chain(5), chain(2)) == 3
    wide = Node("r", None, (), (leaf,) * 2000)
    with pytest.raises(ValueError, match="2001 and 2001 nodes are too large"):
        tree_distance(wide, wide)
