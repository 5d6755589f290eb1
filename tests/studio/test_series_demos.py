"""Every demo: its claim holds, its view is pure and complete on every control's examples, its source is shown."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import torch
from series_fixtures import pocket_tools
from studio_fakes import FakeAssistant

from showtell.studio.demos.catalogue import BY_NAME, DEMOS
from showtell.studio.series.bounds import bounds_of, example_states
from showtell.studio.series.demo import Demo
from showtell.studio.series.figure import figure_html
from showtell.studio.series.scene import digest
from showtell.studio.series.source import excerpts
from showtell.studio.series.tools import PHOTOS, Tools, Unavailable

EACH = pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)


def drawn(demo: Demo[Any], state: Any) -> dict[str, Any]:
    with torch.no_grad():
        return demo.view(state, pocket_tools()).to_json()


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, bool | str) or value is None:
        return
    if isinstance(value, int | float):
        yield value
    else:
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(one)


@EACH
def test_the_claim_holds(demo: Demo[Any]) -> None:
    demo.check(pocket_tools())


@EACH
def test_a_view_is_pure_and_draws_finite_numbers_wherever_a_control_can_go(demo: Demo[Any]) -> None:
    first = drawn(demo, demo.default())
    for state in example_states(demo.state_type):
        body = drawn(demo, state)
        assert all(math.isfinite(number) for number in numbers_in(body)), state
        assert body["says"].endswith((".", "?")) and body["facts"]
        json.dumps(body, allow_nan=False)
    assert drawn(demo, demo.default()) == first, "the same state must give the same numbers"
    assert digest({key: first[key] for key in ("widgets", "says", "facts")}) == first["digest"]


@EACH
def test_every_control_changes_the_figure(demo: Demo[Any]) -> None:
    for name in bounds_of(demo.state_type):
        states = [
            state for state in example_states(demo.state_type) if getattr(state, name) != getattr(demo.default(), name)
        ]
        seen = {drawn(demo, state)["digest"] for state in states} - {drawn(demo, demo.default())["digest"]}
        assert seen, f"{name} changes nothing"


@EACH
def test_pointing_sets_a_field_that_exists_and_stays_inside_it(demo: Demo[Any]) -> None:
    names = {field.name for field in fields(demo.state_type)}
    for widget in drawn(demo, demo.default())["widgets"]:
        if widget.get("field"):
            assert widget["field"] in names
            bound = bounds_of(demo.state_type)[widget["field"]]
            cells = places_of(widget)
            if widget["kind"] != "ribbon" and widget.get("gesture") not in ("swap", "turn", "paint"):
                bound.read(str(cells - 1))
            assert widget["selected"] is None or 0 <= widget["selected"] < cells


def places_of(widget: dict[str, Any]) -> int:
    """How many things of a widget can be pointed at."""
    if widget["kind"] == "raster":
        return int(widget["grid"][0] * widget["grid"][1])
    return len(widget[{"wall": "maps", "ribbon": "tokens", "points": "places", "heat": "colors"}[widget["kind"]]])


@EACH
def test_the_words_are_there_and_the_drawer_shows_the_library(demo: Demo[Any]) -> None:
    assert demo.title and demo.lede.endswith(".") and demo.claim.endswith(".")
    assert re.fullmatch(r"[1-8]\.[1-9]", demo.number) and re.fullmatch(r"[a-z-]+", demo.name)
    own, library = excerpts(type(demo))
    assert own[0].name.endswith(".view") and library
    assert all(one.module.startswith("showtell.") and not one.module.startswith("showtell.studio") for one in library)
    page = figure_html(demo, {"state": {}, "computed_by": "", "elapsed_ms": 1.0} | _with_state(demo))
    assert page.count("<figure") == 1 and "<script" not in page and " style=" not in page and "data:image/png" in page


def _with_state(demo: Demo[Any]) -> dict[str, Any]:
    from showtell.studio.series.bounds import write_state

    return drawn(demo, demo.default()) | {"state": write_state(demo.default())}


def test_names_and_numbers_are_unique() -> None:
    assert len(BY_NAME) == len(DEMOS) == len({demo.number for demo in DEMOS})


def test_the_photographs_are_in_the_package() -> None:
    for name in PHOTOS:
        assert tuple(pocket_tools().photo(name, 8).shape) == (3, 8, 8)


def test_a_model_without_a_tower_is_said_to_have_none() -> None:
    tools = Tools(FakeAssistant())
    for name in ("atlas", "resolution", "sequence"):
        with pytest.raises(Unavailable, match="stand-in"):
            BY_NAME[name].view(BY_NAME[name].default(), tools)
    assert BY_NAME["light"].view(BY_NAME["light"].default(), tools).says
