"""`inspect`: every token's role, whether it is trained on, and where the picture sits; bad rows are named."""

import json
import types
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from showtell.cli import inspect, rows
from showtell.core.errors import ShowtellError
from showtell.core.geometry import Frame
from showtell.instruct.conversation import Message, Picture

ROLES = ["image"] * 3 + ["control", "user", "control", "assistant", "assistant"]
RENDERED = SimpleNamespace(
    ids=[1, 1, 1, 2, 3, 4, 5, 6],
    loss_mask=[False] * 6 + [True] * 2,
    roles=ROLES,
    image_slots=[(0, 3)],
)
TEXTS = ["<image>"] * 3 + ["<user>", " who?", "<assistant>", " me", "<end>"]
TOKENIZER = SimpleNamespace(pieces=lambda ids: TEXTS)


@pytest.fixture
def recipe(monkeypatch):
    module = types.ModuleType("recipes.pocket")
    module.main = lambda folder="runs/pocket": None
    module.rendered = lambda position: (RENDERED, TOKENIZER)
    monkeypatch.setattr(inspect.train, "imported", lambda name: module)
    return module


def test_trained_tokens_stand_out_and_a_picture_is_one_mark() -> None:
    shown = inspect.in_colour(RENDERED, TEXTS)
    assert shown.plain == "▦ image 1 (3 tokens)\n <user>  who?\n <assistant>  me<end>"
    trained = "".join(shown.plain[span.start : span.end] for span in shown.spans if span.style == inspect.TRAINED)
    assert trained == " me<end>"
    assert "8 tokens" in inspect.summary(RENDERED).plain and "2 trained on (25%)" in inspect.summary(RENDERED).plain


def test_a_recipe_shows_its_rows(showtell, recipe) -> None:
    ran = showtell("inspect", "--recipe", "pocket", "--count", "2", "--json")
    first, second = map(json.loads, ran.out.splitlines())
    assert ran.code == 0 and (first["row"], second["row"]) == (0, 1)
    assert [token["trained"] for token in first["tokens"]] == RENDERED.loss_mask
    assert first["images"] == [{"first": 0, "tokens": 3}] and first["trained"] == 2
    assert first["segments"][0] == {"role": "image", "trained": False, "tokens": 3}
    assert first["segments"][-1] == {"role": "assistant", "trained": True, "tokens": 2}
    assert "trained on" in showtell("inspect", "--recipe", "pocket").out


@pytest.mark.parametrize("words", [(), ("a.jsonl", "--recipe", "pocket"), ("--recipe", "pocket", "--count", "0")])
def test_nothing_both_or_no_row_is_refused(showtell, recipe, words) -> None:
    assert showtell("inspect", *words).code == 2


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path


def written(folder, *lines) -> object:
    path = folder / "train.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_both_formats_give_the_same_conversation(folder) -> None:
    llava = [{"from": "human", "value": "<image>\nwho?"}, {"from": "gpt", "value": "me"}]
    chat = [{"role": "user", "content": "<image> who?"}, {"role": "assistant", "content": "me"}]
    path = written(folder, {"image": "a.png", "conversations": llava}, {"images": ["a.png"], "messages": chat})
    first, second = rows.read(path, 0, 2)
    assert first[1] == second[1] and first[2] == second[2] == [Frame(40, 30)]
    assert first[1].messages == (Message("user", (Picture(0), "who?")), Message("assistant", ("me",)))


GOOD_TURN = {"role": "user", "content": "<image> who?"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"half', "row 1 of train.jsonl: not JSON"),
        ({"images": ["a.png"]}, "row 1 of train.jsonl: no list of turns"),
        ({"messages": [GOOD_TURN]}, "row 1 of train.jsonl: 1 <image> marks but 0 pictures"),
        ({"images": ["a.png", "a.png"], "messages": [GOOD_TURN]}, "1 <image> marks but 2 pictures"),
        ({"images": ["nowhere.png"], "messages": [GOOD_TURN]}, "nowhere.png"),
        ({"messages": [{"role": "bishop", "content": "hi"}]}, "a turn needs a role"),
    ],
)
def test_a_bad_row_is_named(folder, line, says) -> None:
    path = written(folder, {"images": ["a.png"], "messages": [GOOD_TURN]}, line)
    assert len(rows.read(path, 0, 1)) == 1
    with pytest.raises(ShowtellError, match=says):
        rows.read(path, 1, 1)


def test_a_file_that_is_none(showtell, folder) -> None:
    for name in ("nowhere.jsonl", "a.png", "."):
        assert showtell("inspect", str(folder / name)).code == 2


def test_rows_of_a_file_are_rendered_by_the_models_own_template(showtell, folder, checkpoint) -> None:
    turns = [GOOD_TURN, {"role": "assistant", "content": "a dog"}]
    path = written(folder, {"images": ["a.png"], "messages": turns})
    shown = json.loads(showtell("inspect", str(path), "--model", str(checkpoint), "--json").out)
    assert shown["images"] == [{"first": 0, "tokens": 4}], "24 pixels in patches of 12: two by two"
    trained = "".join(token["text"] for token in shown["tokens"] if token["trained"])
    assert trained == "a dog<end>"
    ran = showtell("inspect", str(path), "--model", str(checkpoint))
    assert "▦ image 1 (4 tokens)" in ran.out and "trained on" in ran.out
