"""Normalised answers and stated counts, against cases worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.metrics.text import count_match, exact_match, normalize_answer, parse_count


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The red-brown dog's ball.", "red brown dogs ball"),
        ("  A   cat\n", "cat"),
        ("A", "a"),
        ("STOP!", "stop"),
        ("1,000", "1000"),
        ("$3.50", "$3.50"),
        ("3. dogs", "3 dogs"),
        ("5%", "5%"),
        ("it is -4", "it is -4"),
        ("theatre an", "theatre"),
        ("\uff21\uff22", "ab"),
        ("?!", ""),
    ],
)
def test_normal_forms(text: str, normal: str):
    assert normalize_answer(text) == normal


@settings(deadline=None)
@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing_for_plain_words(text: str):
    once = normalize_answer(text)
    assert exact_match(text, [once]) == bool(once and normalize_answer(once) == once)


def test_exact_match_takes_any_accepted_answer():
    assert exact_match("A Red circle.", ["the red circle"])
    assert exact_match("grey", ["gray", "grey"])
    assert not exact_match("red circles", ["red circle"])
    assert not exact_match("5", ["5%"])


def test_silence_is_never_right():
    assert not exact_match("", [""])
    assert not exact_match("...", ["", "!"])
    assert not exact_match("cat", [])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("3", 3),
        ("There are three.", 3),
        ("three, 3", 3),
        ("twenty-one stars", 21),
        ("twenty", 20),
        ("ninety nine", 99),
        ("no", 0),
        ("none of them", 0),
        ("two dogs and three cats", None),
        ("no, there are two", None),
        ("2.5", None),
        ("-2", None),
        ("a few", None),
        ("", None),
    ],
)
def test_counts_in_digits_and_words(text: str, count: int | None):
    assert parse_count(text) == count


def test_a_count_matches_only_itself():
    assert count_match("there are twelve", 12)
    assert not count_match("there are twelve", 2)
    assert not count_match("many", 0)
