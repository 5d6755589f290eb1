"""`lmms-eval` scores a showtell model: its simple interface, without importing it.

    from lmms_eval.api.model import lmms
    from lmms_eval.api.registry import register_model
    from showtell.evaluation.lmms import lmms_class

    Showtell = register_model("showtell")(lmms_class(lmms))       # python -m lmms_eval --model showtell --tasks mme ...

A request of that harness is (context, generation settings, doc_to_visual, number of the document, task, split), and the
pictures are `doc_to_visual(task_dict[task][split][number])`. All requests of one picture are answered from one look at
it. Greedy only; log-likelihoods and several rounds are refused, and so are tasks with several pictures or none.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from showtell.core.errors import ConfigError
from showtell.images.decode import Picture, decode
from showtell.instruct.asking import ask_all
from showtell.instruct.asking_published import ask_published
from showtell.instruct.assistant import Assistant
from showtell.load import load
from showtell.text.sampling import SamplingConfig

DEFAULT_TOKENS = 96


class Request(Protocol):
    """`lmms_eval.api.instance.Instance`, as far as it is used."""

    @property
    def args(self) -> tuple[Any, ...]: ...


class Answers:
    """The methods that `lmms_eval.api.model.lmms` leaves open."""

    is_simple = True
    task_dict: Mapping[str, Any]

    def __init__(self, pretrained: str = "pocket", batch_size: int | str = 1, **ignored: Any):
        """`batch_size`, `device` and the like are that harness's own; answers here do not depend on them."""
        super().__init__()
        self.model = load(pretrained)

    def generate_until(self, requests: Sequence[Request]) -> list[str]:
        """The model's words for each request, in order, cut before the first stop text."""
        of_length: dict[int, list[int]] = defaultdict(list)
        for row, request in enumerate(requests):
            of_length[int(request.args[1].get("max_new_tokens", DEFAULT_TOKENS))].append(row)
        said = [""] * len(requests)
        for most, rows in of_length.items():
            for row, words in zip(rows, self._ask([requests[row] for row in rows], most), strict=True):
                said[row] = before(words, requests[row].args[1].get("until"))
        return said

    def loglikelihood(self, requests: Sequence[Request]) -> list[tuple[float, bool]]:
        raise ConfigError("log-likelihoods of given answers are not computed here; choose tasks that generate")

    def generate_until_multi_round(self, requests: Sequence[Request]) -> list[str]:
        raise ConfigError("conversations of several rounds are not scored here; choose tasks of one question")

    def _ask(self, requests: Sequence[Request], most: int) -> list[str]:
        pictures: list[Picture] = []
        number_of: dict[str, int] = {}
        asked = []
        for request in requests:
            context, _, doc_to_visual, document, task, split = request.args
            shown = doc_to_visual(self.task_dict[task][split][document])
            if len(shown) != 1:
                raise ConfigError(f"{task}: document {document} has {len(shown)} pictures, and one is read here")
            picture = decode(shown[0])
            key = hashlib.sha256(repr(picture.pixels.shape).encode() + picture.pixels.tobytes()).hexdigest()
            if key not in number_of:
                number_of[key] = len(pictures)
                pictures.append(picture)
            asked.append((number_of[key], str(context).replace("<image>", "").strip()))
        sampling = SamplingConfig(max_tokens=most)
        if isinstance(self.model, Assistant):
            return [answer.answer for answer in ask_all(self.model, pictures, asked, sampling)]
        return [answer.answer for answer in ask_published(self.model, pictures, asked, sampling)]


def before(words: str, stops: str | Sequence[str] | None) -> str:
    """What stands before the first of the stop texts."""
    for stop in [stops] if isinstance(stops, str) else stops or []:
        words = words.split(stop)[0] if stop else words
    return words.strip()


def lmms_class(base: type) -> type:
    """The class to register; `base` is `lmms_eval.api.model.lmms`."""
    return type("Showtell", (Answers, base), {})
