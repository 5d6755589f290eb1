"""A published checkpoint in an evaluation: side by side as one by one, whatever the company; boxes by a named codec."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from showtell.core.errors import ConfigError
from showtell.evaluation.answering import OfPublished
from showtell.evaluation.cards import task
from showtell.evaluation.running import run
from showtell.instruct import asking_published
from showtell.instruct.answer import Answer
from showtell.instruct.asking_published import ask_published
from showtell.instruct.published import Published
from showtell.load import load
from showtell.text.sampling import SamplingConfig

SHORT = SamplingConfig(max_tokens=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint and the items of bench/eval.py, which are a LLaVA of random weights and noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
        bench: Any = importlib.import_module("eval")
        at = tmp_path_factory.mktemp("published")
        (at / "model").mkdir()
        bench.write_checkpoint(at / "model")
        bench.write_task(at, pictures=2, questions=3)
    return at


@pytest.fixture(scope="module")
def model(folder: Path) -> Published:
    found = load(folder / "model")
    assert isinstance(found, Published)
    return found


@pytest.mark.parametrize("shared", [True, False])
def test_side_by_side_as_one_by_one(
    shared: bool, folder: Path, model: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shared:  # as for models whose prompt is not read from left to right
        monkeypatch.setattr(asking_published, "CountedWords", type("Nobody", (), {"reading": None}))
    items = task(str(folder / "items.jsonl"))
    pictures = [items.open("0.png"), items.open("1.png")]
    asked = [(int(item.id[0]), str(item.question)) for item in items.items]
    together = ask_published(model, pictures, asked, SHORT)
    for (number, question), answer in zip(asked, together, strict=True):
        single = model.ask(pictures[number], question, SHORT)
        assert answer.answer == single.answer and answer.confidence == pytest.approx(single.confidence, abs=1e-4)
    backwards = ask_published(model, pictures, asked[::-1], SHORT)
    assert [one.tokens for one in backwards[::-1]] == [one.tokens for one in together]


def test_a_run_of_a_published_model_and_its_boxes(
    folder: Path, model: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(OfPublished(model, sampling=SHORT), task(str(folder / "items.jsonl")))
    assert len(done.records) == 6 and done.identity["codec"] is None

    def boxed(model: Published, pictures: Any, asked: Any, sampling: Any) -> list[Answer]:
        view = model.encode(pictures[0]).frame
        assert view.width == 320
        said = "<|box_start|>(250,250),(500,500)<|box_end|>"
        from showtell.images.view import ViewTransform

        return [Answer(said, (), (), 0.5, "m", {}, (), (0, 0), ViewTransform.identity(view)) for _ in asked]

    monkeypatch.setattr("showtell.evaluation.answering.ask_published", boxed)
    row = {"image": "0.png", "question": "where?", "box": [80, 60, 160, 120], "size": [320, 240]}
    (folder / "boxes.jsonl").write_text(json.dumps(row) + "\n")
    done = run(OfPublished(model, "qwen2-vl"), task(str(folder / "boxes.jsonl")))
    assert done.records[0].scores["official"] == 1
    assert run(OfPublished(model), task(str(folder / "boxes.jsonl"))).records[0].scores["official"] == 0


def test_questions_about_places_are_refused(model: Published) -> None:
    region = next(item for item in task("worlds:val", pictures=4).items if not isinstance(item.question[0], str)
                  or len(item.question) > 1)  # fmt: skip
    known = task("worlds:val", pictures=4)
    with pytest.raises(ConfigError, match="asks about a place"):
        OfPublished(model).answer(known, [region])
