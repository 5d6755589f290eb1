"""Runs resume to the byte, do not depend on how they are cut, refuse what does not fit, and become a page."""

import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from showtell.cli.main import main
from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame
from showtell.evaluation.answering import OfAssistant, OfFile, Reply, weights_digest
from showtell.evaluation.cards import task
from showtell.evaluation.report import report
from showtell.evaluation.running import run
from showtell.evaluation.scoring import Said
from showtell.evaluation.spatial import consistency
from showtell.evaluation.summary import compare, summarise
from showtell.evaluation.task import Item, Task
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import save_bundle
from showtell.text.sampling import SamplingConfig

SHORT = SamplingConfig(max_tokens=5)


class Echo:
    """Says what is right, except for every third item; breaks down after so many items."""

    name = "echo"

    def __init__(self, until: int = 10**6, wrong: int = 3) -> None:
        self.until, self.wrong = until, wrong

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": "echo", "weights": "none"}

    def answer(self, some: Task, items: Sequence[Item]) -> list[Reply]:
        replies = []
        for item in items:
            if (place := some.items.index(item)) >= self.until:
                raise KeyboardInterrupt
            answers = item.reference.get("answers", ["?"])
            text = "nonsense" if place % self.wrong == 0 else str(answers[0])
            replies.append(Reply(Said(text, confidence=0.4 if place % self.wrong == 0 else 0.9), "0" * 64))
        return replies


@pytest.fixture(scope="module")
def spatial() -> Task:
    return task("spatial", pictures=3)


def test_a_run_that_was_interrupted_ends_with_the_same_bytes(spatial: Task, tmp_path: Path) -> None:
    whole = run(Echo(), spatial, tmp_path / "whole")
    for until in (20, 50):
        with pytest.raises(KeyboardInterrupt):
            run(Echo(until), spatial, tmp_path / "parts", chunk=7)
        with open(tmp_path / "parts" / "answers.jsonl", "ab") as file:
            file.write(b'{"id": "left 0 ba')  # the power failed in the middle of a line
    seen: list[int] = []
    parts = run(Echo(), spatial, tmp_path / "parts", chunk=11, on_answers=lambda done, total: seen.append(done))
    assert seen[0] == 49
    for name in ("answers.jsonl", "records.jsonl", "run.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert parts.hash == whole.hash == run(Echo(), spatial).hash != run(Echo(wrong=4), spatial).hash


def test_another_run_in_the_same_folder_is_refused(spatial: Task, tmp_path: Path) -> None:
    run(Echo(), spatial, tmp_path)
    with pytest.raises(DataError, match=r"holds another run \(task differ"):
        run(Echo(), spatial.first(5), tmp_path)


def test_records_do_not_depend_on_how_the_run_is_cut(tiny: Assistant) -> None:
    some = task("worlds:val", pictures=3)
    answerer = OfAssistant(tiny, SHORT)
    assert run(answerer, some, chunk=1000).hash == run(answerer, some, chunk=3).hash
    assert answerer.identity == OfAssistant(tiny, SHORT).identity
    assert weights_digest(tiny.model) != weights_digest(tiny.model.decoder)


def test_a_summary_has_intervals_and_two_runs_are_compared(spatial: Task, tmp_path: Path) -> None:
    good, bad = run(Echo(), spatial, tmp_path / "good"), run(Echo(wrong=2), spatial, tmp_path / "bad")
    found = summarise(good)
    official = found["scores"]["official"]
    assert official["low"] <= official["value"] <= official["high"] and json.dumps(found)
    assert set(found["skills"]) >= {"left", "right", "above", "below", "inside", "between", "larger"}
    assert 0 <= found["calibration"]["ece"] <= 1 and found["calibration"]["excess_aurc"] == pytest.approx(0, abs=1e-9)
    pairs = consistency(good.records)
    assert (
        pairs["left"]["groups"] == 3 and 0 <= pairs["left"]["all_right"]["value"] <= 1 and "one more" in pairs["count"]
    )
    assert consistency(run(Echo(), spatial.first(13)).records)["left"]["groups"] == 2  # the third was cut off
    gap = compare(good, tmp_path / "bad")
    assert gap["difference"]["value"] > 0 and gap["better"] > gap["worse"]
    assert compare(bad, tmp_path / "bad")["difference"]["value"] == 0
    with pytest.raises(DataError, match="holds no finished run"):
        compare(good, tmp_path)
    run(Echo(), spatial.first(4), tmp_path / "short")
    with pytest.raises(DataError, match="other items"):
        compare(good, tmp_path / "short")


# answers that are already there ---------------------------------------------------------------------------------------


@pytest.fixture
def boxes(tmp_path: Path) -> Task:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.png")
    row = {"id": "r1", "image": "a.png", "question": "where?", "box": [1, 2, 30, 20], "size": [60, 40]}
    (tmp_path / "boxes.jsonl").write_text(json.dumps(row) + "\n")
    return task(str(tmp_path / "boxes.jsonl"))


def answered(folder: Path, *rows: Any) -> OfFile:
    path = folder / "answers.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return OfFile.read(path)


def test_a_file_of_answers_is_scored(boxes: Task, tmp_path: Path) -> None:
    found = run(answered(tmp_path, {"id": "r1", "prediction": "", "box": [1, 2, 29, 20]}), boxes)
    assert found.records[0].scores["official"] == 1 and found.records[0].to_json()["boxes"] == [[1, 2, 29, 20]]
    found = run(answered(tmp_path, {"id": "r1", "prediction": "nowhere"}), boxes)
    assert found.records[0].scores["clean"] == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "r1", "box": [1, 2, float("nan"), 20]}, "are not 4 finite numbers"),
        ({"id": "r1", "box": [1, 2, 3]}, "are not 4 finite numbers"),
        ({"id": "r1", "box": [30, 2, 1, 20]}, "wrong order"),
        ({"id": "r1", "box": [1, 2, 3e9, 20]}, "far outside a picture of 60 x 40"),
        ({"id": "r1", "point": ["a", 2]}, "are not 2 finite numbers"),
        ({"id": "r1", "prediction": 3}, "should be words"),
        ({"id": "r1", "prediction": "", "confidence": 7}, "not a number from 0 to 1"),
        ({"id": "r2", "prediction": ""}, "1 items have no answer, first r1"),
    ],
)
def test_answers_that_cannot_be_used_are_one_sentence(row: Any, message: str, boxes: Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        run(answered(tmp_path, row), boxes)


@pytest.mark.parametrize(
    ("row", "message"),
    [("{", "is not JSON"), ("[1]", "has no id"), ("", "holds no answer"), ('{"id": 1}', "occurs twice")],
)
def test_a_file_that_holds_no_answers(row: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        answered(tmp_path, *[row, row] if "twice" in message else [row])
    with pytest.raises(DataError, match="cannot be read as answers"):
        OfFile.read(tmp_path / "nowhere.jsonl")


def test_a_question_that_is_too_long_is_wrong_and_the_run_goes_on(tiny: Assistant, tmp_path: Path) -> None:
    rows = [{"question": "dog " * 600, "answer": "dog"}, {"question": "what?", "answer": "dog"}]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = run(OfAssistant(tiny, SHORT), task(str(tmp_path / "long.jsonl")))
    assert found.records[0].reply.refused and not found.records[1].reply.refused
    assert summarise(found)["refused"] == 1


# the page and the command ---------------------------------------------------------------------------------------------


class Reading(HTMLParser):
    """Checks that tags close in order, and collects addresses and text."""

    EMPTY = frozenset({"meta", "img", "br", "line", "rect", "circle", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_the_page_is_one_file_with_failures_first(spatial: Task) -> None:
    found = run(Echo(), spatial)
    text = report([(found, summarise(found)), (found, summarise(found))])
    assert all(address.startswith("data:image/webp") for address in Reading(text).addresses)
    assert "http" not in re.sub(r"data:[^\"]*", "", text)
    assert text.index('class="wrong"') < text.index('class="right"') and found.hash[:16] in text


def test_what_a_model_says_cannot_become_markup(spatial: Task) -> None:
    class Hostile(Echo):
        def answer(self, some: Task, items: Sequence[Item]) -> list[Reply]:
            return [Reply(Said("<script>alert(1)</script>")) for _ in items]

    found = run(Hostile(), spatial.first(3))
    assert "<script>alert" not in report([(found, summarise(found))])


def test_boxes_are_drawn_on_the_page(boxes: Task, tmp_path: Path) -> None:
    found = run(answered(tmp_path, {"id": "r1", "prediction": "", "box": [40, 2, 59, 20]}), boxes)
    text = report([(found, summarise(found))])
    assert 'class="said" x="40.0"' in text and 'class="truth" x="1.0"' in text
    assert found.records[0].item.reference["box"] == Box(1, 2, 30, 20, Frame(60, 40))


@pytest.fixture
def showtell(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def go(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return go


def test_eval_from_the_command_line(
    tiny: Assistant, tmp_path: Path, showtell: Callable[..., tuple[int, str, str]]
) -> None:
    rows = [{"id": i, "question": f"what is {i}?", "answer": "dog"} for i in range(5)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_bundle(tiny.bundle, tmp_path / "tiny")
    command = ("eval", str(tmp_path / "tiny"), str(tmp_path / "mine.jsonl"), "--out", str(tmp_path / "run"))
    page = tmp_path / "page.html"
    code, out, _ = showtell(*command, "--json", "--html", str(page), "--limit", "4")
    summary = json.loads(out)
    assert code == 0 and summary["items"] == 4 and page.stat().st_size > 1000
    assert json.loads((tmp_path / "run" / "mine" / "summary.json").read_text())["hash"] == summary["hash"]
    code, out, err = showtell(*command, "--limit", "4", "--against", str(tmp_path / "run"))
    assert code == 0 and "against" in out and "fewer than 20" in err
    code, _, err = showtell(*command)
    assert code == 2 and "another run" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pocket",), "scored on"),
        (("pocket", "nothing"), "unknown"),
        (("nobody", "spatial"), "no model"),
        (("pocket", "spatial", "--pictures", "0"), "at least 1"),
        (("pocket", "spatial", "--codec", "mine"), "no known convention"),
        (("pocket", "spatial", "--html", "nowhere/x.html"), "does not exist"),
    ],
)
def test_bad_commands_are_one_sentence(
    words: tuple[str, ...], message: str, showtell: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = showtell("eval", *words)
    assert code == 2 and message in err and "Traceback" not in err
