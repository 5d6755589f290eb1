"""Duets: pure, drawn at any size alike, true captions, and twins that share every word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.worlds.dice import keyed
from showtell.worlds.duets import RELATIONS, VOCABULARY, Duet, Thing, caption, draw, place, plain, sample, twin
from showtell.worlds.shapes import held_out_pair


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**40))
def test_a_duet_is_what_its_caption_says(index: int) -> None:
    duet = sample(keyed(3, index))
    assert duet == sample(keyed(3, index))
    assert all(word in VOCABULARY for word in caption(duet, keyed(4, index)).split())
    assert not any(held_out_pair(thing.color, thing.shape) for thing in duet.things)
    if duet.relation:
        one, other = duet.things
        away = {"left of": other.x - one.x, "right of": one.x - other.x, "above": other.y - one.y}
        assert away.get(duet.relation, one.y - other.y) > 0.3
        mirrored = twin(duet, keyed(5, index))
        assert sorted(plain(mirrored).split()) == sorted(plain(duet).split()) and plain(mirrored) != plain(duet)
        assert not any(held_out_pair(thing.color, thing.shape) for thing in mirrored.things)
    else:
        assert twin(duet, keyed(5, index)) == duet


@pytest.mark.parametrize("relation", RELATIONS)
def test_two_things_are_put_where_the_words_put_them(relation: str) -> None:
    picture = draw(place(("red", "square"), relation, ("blue", "star")), 41).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 2] > 90).mean(axis=0)
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 90).mean(axis=0)
    down, right = np.sign((red - blue).round())
    assert (right, down) == {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}[relation]


def test_a_picture_is_the_same_at_any_size() -> None:
    duet = sample(keyed(1, 7))
    small, large = draw(duet, 20).astype(float), draw(duet, 160).astype(float)
    assert np.abs(large.reshape(20, 8, 20, 8, 3).mean(axis=(1, 3)) - small).mean() < 4


def test_a_colour_outright_wins_over_its_word() -> None:
    thing = Thing(color="red", shape="square", x=0.5, y=0.5, rgb=(1.0, 2.0, 3.0))
    assert draw(Duet(things=(thing,)), 33)[16, 16].tolist() == [1, 2, 3]


def test_held_out_pairs_are_drawn_only_when_asked_for() -> None:
    things = [sample(keyed(9, i), held_out=True).things for i in range(20)]
    assert all(held_out_pair(thing.color, thing.shape) for each in things for thing in each)
