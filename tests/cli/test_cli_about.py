"""`env`, `card`, `eval`, `studio`: what a model and an installation say about themselves, and starting the page."""

import json
import sys
import types

import pytest


def test_env_names_versions_threads_and_folders(showtell) -> None:
    found = json.loads(showtell("env", "--json").out)
    assert found["packages"]["torch"] and found["torch_threads"] >= 1 and found["cores"] >= 1
    assert set(found["folders"]) == {"showtell", "hub_cache"}
    assert "torch threads" in showtell("env").out


def test_card_is_the_models_own(showtell, assistant) -> None:
    assert json.loads(showtell("card", "--json").out) == assistant.card
    shown = showtell("card", "pocket").out
    assert "value 0.5  low 0.4  high 0.6  n 9" in shown
    assistant.card["limits"] = "word " * 60 + "end"
    assert showtell("card", "pocket").out.split().count("word") == 60, "long lines are folded, not cut"


def test_scores_of_a_card_are_a_matrix(showtell, assistant) -> None:
    half = {"value": 0.5, "low": 0.42, "high": 0.58, "n": 9}
    splits = {
        "val": {"color": half, "count": half},
        "instance": {"color": {"value": 1.0, "low": 0.9, "high": 1.0, "n": 9}},
    }
    assistant.card["scores"] = {"splits": splits, "pictures": 9, "seed": 0}
    shown = showtell("card", "pocket").out
    assert "50 ±8" in shown and "100 ±5" in shown and "9 held-out pictures a split" in shown
    assert shown.index("val") < shown.index("instance") and "value" not in shown.split("scores in")[1]


def test_card_of_an_unknown_model(showtell, assistant) -> None:
    assert showtell("card", "nobody").code == 2


@pytest.fixture
def score(monkeypatch):
    told = {}

    def evaluate(assistant, **how):
        told.update(how)
        return {"splits": {"heldout": {"colour": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}}}

    module = types.ModuleType("showtell.instruct.evaluate")
    module.evaluate = evaluate
    monkeypatch.setitem(sys.modules, "showtell.instruct.evaluate", module)
    return told


def test_eval_shows_scores_with_intervals(showtell, assistant, score) -> None:
    shown = showtell("eval", "--pictures", "9").out
    assert "50.0%" in shown and "40.0% to 60.0%" in shown
    assert score["pictures"] == 9
    assert "splits" in json.loads(showtell("eval", "--split", "heldout", "--split", "train", "--json").out)
    assert score["splits"] == ("heldout", "train")
    assert showtell("eval", "--pictures", "0").code == 2


def test_studio_starts_the_page_where_it_is_told(showtell, monkeypatch) -> None:
    started = {}
    module = types.ModuleType("showtell.studio.serve")
    module.run = lambda **how: started.update(how)
    monkeypatch.setitem(sys.modules, "showtell.studio.serve", module)
    ran = showtell("studio", "--port", "8799", "--json")
    assert json.loads(ran.out)["address"] == "http://127.0.0.1:8799"
    assert started == {"host": "127.0.0.1", "port": 8799, "model": "pocket", "open_browser": False}


def test_studio_without_its_extra_says_what_to_install(showtell, monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "showtell.studio.serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = showtell("studio")
    assert ran.code == 2 and "showtell[studio]" in ran.err
