"""The state of a figure: what is written is read back, and nothing else gets in."""

from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from showtell.studio.demos.catalogue import DEMOS
from showtell.studio.limits import RequestError
from showtell.studio.series.bounds import (
    Words,
    bounded,
    bounds_of,
    example_states,
    one_of,
    read_state,
    stepped,
    switch,
    write_state,
)
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell, Numbers, Order
from showtell.studio.series.list_bounds import Angles, Names, ticks

NAMES = Names(label="Names", least=2, most=3, letters=5, trial=(("x", "y"),))


@dataclass(frozen=True)
class Settings:
    angle: int = stepped(10, low=-20, high=20, step=5, label="Angle")
    share: float = stepped(0.25, low=0.0, high=1.0, step=0.05, label="Share")
    kind: int = one_of(2, {"2": "two", "3": "three"}, label="Kind", typed=int)
    on: bool = switch(True, label="On")
    cell: int = bounded(4, Cell(label="Cell", count=6))
    order: tuple[int, ...] = bounded((0, 1, 2), Order(label="Order", count=3))
    table: tuple[float, ...] = bounded((1.0,) * 4, Numbers(label="Table", side=2, low=-2, high=2, presets={}))
    words: str = bounded("a cat", Words(label="Words", most=9))
    heat: float = ticks(0.1, (0.02, 0.1, 1.0), label="Heat")
    ring: tuple[int, ...] = bounded((0, 90), Angles(label="Ring", count=2))
    names: tuple[str, ...] = bounded(
        ("a", "b c"), Names(label="Names", least=2, most=3, letters=5, trial=(("x", "y"),))
    )


def test_every_field_is_read_back_as_written() -> None:
    for state in example_states(Settings):
        assert read_state(Settings, write_state(state)) == state
    assert read_state(Settings, {}) == Settings()
    assert read_state(Settings, {"share": "0.15", "table": "0_-1.5_2_1e-1"}).table == (0.0, -1.5, 2.0, 0.1)


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("angle", "7", "Angle cannot be '7': it goes from -20 to 20 in steps of 5."),
        ("angle", "nan", "it is a number"),
        ("angle", "1e999", "it is a number"),
        ("angle", "٥", "it is a number"),
        ("angle", "1_0", "it is a number"),
        ("angle", "", "it is a number"),
        ("share", "1.05", "it goes from 0 to 1"),
        ("kind", "4", "use one of 2, 3"),
        ("on", "true", "it is 0 or 1"),
        ("cell", "6", "it is a whole number from 0 to 5"),
        ("cell", "1.5", "it is a whole number"),
        ("order", "0.1.1", "each of 0 to 2 exactly once"),
        ("heat", "0.3", "it is one of 0.02, 0.1, 1"),
        ("heat", "nan", "it is a number"),
        ("ring", "0_360", "degrees go from 0 to 359"),
        ("ring", "0_-1", "it is 2 whole numbers of degrees"),
        ("ring", "1_2_3", "it is 2 whole numbers of degrees"),
        ("names", "a", "it is 2 to 3 names"),
        ("names", "a, a", "no name may be empty or stand there twice"),
        ("names", "a,", "no name may be empty"),
        ("names", "a, bbbbbb", "at most 5 printable characters"),
        ("order", "0.-1.2", "whole numbers with points"),
        ("table", "1_2_3", "it is 4 numbers"),
        ("table", "1_2_3_x", "it is a number"),
        ("table", "0_0_0_9", "each number lies from -2 to 2"),
        ("words", "   ", "one line of at most 9 characters"),
        ("words", "ten letters", "one line of at most 9 characters"),
        ("words", "a\x00b", "one line"),
        ("words", "x" * 601, "at most 600 characters"),
        ("nothing", "1", "no setting 'nothing'"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_sentence(field: str, text: str, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        read_state(Settings, {field: text})
    assert sentence in str(refusal.value) and refusal.value.status == 422
    assert len(str(refusal.value)) < 220


@given(st.sampled_from([*bounds_of(Settings), "other"]), st.text(max_size=40))
def test_any_text_is_a_state_or_a_refusal(field: str, text: str) -> None:
    try:
        state = read_state(Settings, {field: text})
    except RequestError:
        return
    assert read_state(Settings, write_state(state)) == state


def test_a_default_outside_its_own_bound_cannot_be_written() -> None:
    with pytest.raises((AssertionError, ValueError)):
        stepped(11, low=0, high=10, step=1, label="Angle")


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_a_demo_has_a_frozen_bounded_state(demo: Demo[Any]) -> None:
    state = demo.default()
    assert read_state(demo.state_type, write_state(state)) == state and hash(state) == hash(demo.default())
    with pytest.raises(FrozenInstanceError):
        state.other = 1
