"""Many questions at once: the same bits in any company, in any order, and the words of the one-by-one path."""

import numpy as np
import pytest
import torch
from tiny_model import tiny_bundle

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Frame
from showtell.images.decode import Picture, decode
from showtell.instruct import asking
from showtell.instruct.asking import ask_all
from showtell.instruct.assistant import Assistant
from showtell.text.sampling import SamplingConfig

SHORT = SamplingConfig(max_tokens=7)
QUESTIONS = ("what is this?", "where is the red star?", "how many cats are there in this picture?", "dog")


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant(tiny_bundle(), "tiny")


def pictures(count: int) -> list[Picture]:
    rng = np.random.default_rng(3)
    return [decode(rng.integers(0, 255, (60, 40 + 9 * i, 3), dtype=np.uint8)) for i in range(count)]


def test_an_answer_does_not_depend_on_its_company(assistant: Assistant) -> None:
    shown = pictures(11)
    asked = [(i, question) for i in range(11) for question in QUESTIONS]
    together = ask_all(assistant, shown, asked, SHORT)
    order = np.random.default_rng(0).permutation(len(asked)).tolist()
    shuffled = ask_all(assistant, shown, [asked[row] for row in order], SHORT)
    alone = [ask_all(assistant, [shown[i]], [(0, question)], SHORT)[0] for i, question in asked[:9]]
    for row, answer in zip(order, shuffled, strict=True):
        assert answer.tokens == together[row].tokens and answer.confidence == together[row].confidence
    assert [one.tokens for one in alone] == [one.tokens for one in together[:9]]


def test_it_says_what_the_assistant_says(assistant: Assistant) -> None:
    shown = pictures(3)
    asked = [(2, QUESTIONS[0]), (0, QUESTIONS[2]), (1, ("what is in ", Box(1, 2, 30, 40, shown[1].frame), "?"))]
    for (number, question), answer in zip(asked, ask_all(assistant, shown, asked, SHORT), strict=True):
        single = assistant.ask(shown[number], question, sampling=SHORT)
        assert [token.text for token in answer.tokens] == [token.text for token in single.tokens]
        assert answer.confidence == pytest.approx(single.confidence, abs=1e-4)
        assert [found.box for found in answer.boxes] == [found.box for found in single.boxes]


def test_nothing_asked_and_bad_questions(assistant: Assistant) -> None:
    shown = pictures(1)
    assert ask_all(assistant, shown, []) == []
    with pytest.raises(ConfigError, match="empty"):
        ask_all(assistant, shown, [(0, "  ")])
    with pytest.raises(ValueError, match="measured in"):
        ask_all(assistant, shown, [(0, ("what is in ", Box(0, 0, 1, 1, Frame(3, 3)), "?"))])


def test_every_forward_pass_has_one_of_few_shapes(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[torch.Size] = set()
    original = asking.generate

    def spy(decoder, prompt, *rest, **named):  # type: ignore[no-untyped-def]
        seen.add(prompt.shape)
        return original(decoder, prompt, *rest, **named)

    monkeypatch.setattr(asking, "generate", spy)
    ask_all(assistant, pictures(2), [(0, QUESTIONS[0]), (1, QUESTIONS[2]), (1, QUESTIONS[3])], SHORT)
    assert {shape[0] for shape in seen} == {asking.QUESTIONS} and all(shape[1] % asking.STEP == 0 for shape in seen)
