"""The board: what is said about it is true, questions are balanced, and a picture is a function of its dice."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.worlds import board
from showtell.worlds.dice import keyed

INDEX = st.integers(0, 10**6)
A_FEW = settings(max_examples=40, deadline=None)  # a busy machine is not a failure


@A_FEW
@given(INDEX)
def test_a_board_and_its_things_are_the_same_thing(index: int) -> None:
    seen = board.sample(keyed(5, index))
    there = board.things(seen)
    assert 1 <= len(there) <= board.MOST_THINGS
    again = list(board.EMPTY)
    for thing in there:
        again[thing.cell] = board.item(*thing.noun)
    assert tuple(again) == seen
    words = board.description(seen)
    assert len(words) == 4 * len(there) and board.said(board.encode(words)) == " ".join(words)


@A_FEW
@given(INDEX)
def test_every_answer_is_true(index: int) -> None:
    """Each answer is looked up again from the words of the question alone."""
    seen = board.sample(keyed(5, index))
    there = board.things(seen)
    for skill in board.SKILLS:
        asked = board.ask(seen, skill, keyed(6, index))
        if asked is None:
            continue
        words, answer = asked.question, asked.answer
        assert board.encode((*words, *answer)) and words[-1] == "?"
        matching = [t for t in there if t.shape in words or t.color in words]
        if skill == "color":
            assert [t.color for t in there if t.shape in words] == list(answer)
        elif skill == "shape":
            assert [t.shape for t in there if t.color in words] == list(answer)
        elif skill == "where":
            assert [t.place for t in there if t.shape in words] == [answer]
        elif skill == "count":
            assert answer == (board.NUMBERS[len(matching)],)
        elif skill == "exists":
            both = [t for t in there if t.color in words and t.shape in words]
            assert answer == (("yes",) if both else ("no",))
            crossed = not both and {words[3]} <= {t.color for t in there} and {words[4]} <= {t.shape for t in there}
            assert asked.swapped == crossed
        elif skill == "relation":
            one, other = (next(t for t in there if t.shape == word) for word in (words[2], words[5]))
            down, right = board.SIDES[words[3]]
            holds = down * (one.cell // 3 - other.cell // 3) > 0 or right * (one.cell % 3 - other.cell % 3) > 0
            assert answer == (("yes",) if holds else ("no",))
        else:
            assert answer == board.description(seen)


def test_yes_and_no_are_equally_likely() -> None:
    said: Counter[tuple[str, str]] = Counter()
    for index in range(2000):
        dice = keyed(8, index)
        seen = board.sample(dice)
        for skill in ("exists", "relation"):
            asked = board.ask(seen, skill, dice)
            if asked is not None:
                said[skill, asked.answer[0]] += 1
    for skill in ("exists", "relation"):
        yes, no = said[skill, "yes"], said[skill, "no"]
        assert abs(yes - no) < 0.1 * (yes + no), (skill, yes, no)


def test_a_picture_is_a_function_of_board_and_dice() -> None:
    seen = board.sample(keyed(1, 2))
    pictures = [board.draw(seen, keyed(1, index)) for index in (3, 3, 4)]
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    assert pictures[0].shape == (48, 48, 3) and board.draw(seen, keyed(1, 3), side=96).shape == (96, 96, 3)
    for thing in board.things(seen):  # the middle of its cell is not background
        y, x = thing.cell // 3 * 16 + 8, thing.cell % 3 * 16 + 8
        still = board.draw(seen, keyed(1, 3), chance=0.0)
        assert np.abs(still[y, x].astype(int) - 78).max() > 40
