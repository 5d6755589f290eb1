"""The adapter for lmms-eval against its interface as it is declared there: an abstract base, requests, documents."""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from showtell.core.errors import ConfigError
from showtell.evaluation.lmms import before, lmms_class
from showtell.instruct.assistant import Assistant
from showtell.instruct.bundle import save_bundle
from showtell.text.sampling import SamplingConfig


class Base(abc.ABC):
    """What `lmms_eval.api.model.lmms` declares."""

    is_simple = True

    def __init__(self) -> None:
        self._rank, self._world_size, self.task_dict = 0, 1, {}

    @abc.abstractmethod
    def generate_until(self, requests: list[Any]) -> list[str]: ...

    @abc.abstractmethod
    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]: ...

    @abc.abstractmethod
    def generate_until_multi_round(self, requests: list[Any]) -> list[str]: ...


@dataclass
class Instance:
    args: tuple[Any, ...]


def test_requests_are_answered_in_order(tiny: Assistant, tmp_path: Path) -> None:
    save_bundle(tiny.bundle, tmp_path)
    model = lmms_class(Base)(pretrained=str(tmp_path), batch_size=4, device="cpu")
    rng = np.random.default_rng(0)
    documents = [{"image": Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8))} for _ in range(2)]
    model.task_dict = {"mine": {"test": documents}}
    asked = [("what is this?", 0, 5), ("<image>\nwhere is the dog?", 1, 7), ("what is this?", 1, 5)]
    requests = []
    for context, document, most in asked:
        how = {"max_new_tokens": most, "until": ["\n\n"]}
        requests.append(Instance((context, how, lambda doc: [doc["image"]], document, "mine", "test")))
    said = model.generate_until(requests)
    for (context, document, most), words in zip(asked, said, strict=True):
        question = context.replace("<image>\n", "")
        single = tiny.ask(documents[document]["image"], question, sampling=SamplingConfig(max_tokens=most))
        assert words == before(single.answer, "\n\n")
    assert model._rank == 0 and model.is_simple
    requests[0].args = (*requests[0].args[:2], lambda doc: [], *requests[0].args[3:])
    for call in (
        lambda: model.generate_until(requests[:1]),
        lambda: model.loglikelihood([]),
        lambda: model.generate_until_multi_round([]),
    ):
        with pytest.raises(ConfigError):
            call()


def test_words_end_before_a_stop_text() -> None:
    assert before("a dog\n\nand more", ["\n\n"]) == "a dog" and before("a dog.", ".") == "a dog"
    assert before(" a dog ", None) == "a dog" and before("a dog", [""]) == "a dog"
