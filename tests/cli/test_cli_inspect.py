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


def row_of(*turns: tuple[str, str], images: tuple[str, ...] = ()) -> dict[str, object]:
    return {"images": list(images), "messages": [{"role": role, "content": text} for role, text in turns]}


QUESTION, ANSWER = ("user", "<image> who?"), ("assistant", "a dog")


def test_the_whole_file_is_counted_and_nothing_is_lost(showtell, folder, checkpoint) -> None:
    outside = folder.parent / "secret.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(outside)
    many = [("user", "<image>" * 40 + " which?"), ANSWER]
    hours = [turn for _ in range(400) for turn in (("user", "and then? who was it"), ("assistant", "a dog, as ever"))]
    lines = [
        row_of(QUESTION, ANSWER, images=("a.png",)),
        row_of(("user", "<image><image> who?"), ANSWER, images=("a.png",)),
        row_of(("bishop", "hi"), ANSWER),
        row_of(ANSWER, ("user", "thanks")),
        row_of(("system", "be brief")),
        row_of(*many, images=("a.png",) * 40),
        row_of(*hours),
        '{"messages": "\udcff"}',
        row_of(QUESTION, ANSWER, images=("../secret.png",)),
        row_of(QUESTION, ANSWER, images=("nowhere.png",)),
        row_of(("user", "who?"), ("assistant", "  ")),
        row_of(QUESTION, ANSWER, images=("a.png",)),
    ]
    path = folder / "train.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_bytes("\n".join(texts).encode("utf-8", "surrogateescape"))
    ran = showtell("inspect", str(path), "--model", str(checkpoint), "--stats", "--longest", "100", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["rows"] == 12 and found["usable"] == 2 and found["pictures"] == 42
    assert found["tokens"]["image"] == 42 * 4 and found["trained"] > 0
    assert [row for row, _ in found["too_long"]] == [5, 6] and found["too_long"][0][1] > 160
    assert found["zero_loss"] == [10] and found["twice"] == [[11, 0]] and found["pictures_missing"] == [8, 9]
    reasons = dict(found["refused"])
    for row, said in {
        1: "2 <image> marks but 1 picture",
        2: "a turn needs a role",
        3: "it begins with an answer",
        4: "only the system speaks",
        7: "not JSON",
        8: "lies outside of",
        9: "nowhere.png",
    }.items():
        assert f"row {row} of train.jsonl" in reasons.pop(row) or said, row
        assert said in dict(found["refused"])[row]
    assert not reasons
    named = {*dict(found["refused"]), *dict(found["too_long"]), *found["zero_loss"]}
    assert found["usable"] + len(named) == found["rows"], "every row is counted once"
    ran = showtell("inspect", str(path), "--model", str(checkpoint), "--stats", "--longest", "100")
    said = " ".join(ran.out.split())
    assert "row 4 of train.jsonl: only the system speaks" in said and "row 11 repeats row 0" in said


def test_a_list_is_read_like_lines_and_the_page_escapes(showtell, folder, checkpoint) -> None:
    turns = [{"from": "human", "value": "<image>\nwho is <b>it</b>?"}, {"from": "gpt", "value": "a dog"}]
    path = folder / "llava.json"
    path.write_text(json.dumps([{"image": "a.png", "conversations": turns}] * 2, indent=1))
    page = folder / "page.html"
    ran = showtell(
        "inspect", str(path), "--model", str(checkpoint), "--row", "1", "--stats", "--html", str(page), "--json"
    )
    assert ran.code == 0, ran.err
    shown, counts = map(json.loads, ran.out.splitlines())
    assert shown["row"] == 1 and counts["rows"] == 2 and counts["twice"] == [[1, 0]]
    written = page.read_text()
    assert "<b>" not in written and "trained" in written and "▦ picture (4 tokens)" in written
    path.write_text('[{"messages": ')
    ran = showtell("inspect", str(path), "--model", str(checkpoint))
    assert ran.code == 2 and "not JSON" in ran.err


def test_a_published_chat_model_shows_its_own_template(showtell, folder) -> None:
    from showtell.cli.inspect import summary
    from showtell.instruct.conversation import Conversation
    from showtell.instruct.published import Published
    from showtell.instruct.survey import rendering_of
    from showtell.text.chat_formats import chatml
    from showtell.text.decoder import Decoder, DecoderConfig
    from showtell.text.tokenizer import train_tokenizer

    words = train_tokenizer(["who? a dog"], 300, chatml().control)
    decoder = Decoder(DecoderConfig(vocab_size=300, dim=8, depth=1, heads=2, mlp_dim=8))
    model = Published("tiny", "language model", "llama", decoder, tokenizer=words, chat=chatml())
    rendering = rendering_of(model)
    said = Conversation((Message("user", ("who?",)), Message("assistant", ("a dog",))))
    rendered = rendering.write(said, [])
    trained = [id for id, learn in zip(rendered.ids, rendered.loss_mask, strict=True) if learn]
    assert "".join(words.pieces(trained)) == "a dog<|im_end|>" and "trained on" in summary(rendered).plain
    with pytest.raises(ShowtellError, match="reads no pictures"):
        rendering.write(said, [Frame(4, 4)])
