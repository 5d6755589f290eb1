"""A task: a card that says how it is asked and scored, and its items.

    Card(name, version, data, prompt, metric)       what makes two numbers comparable, and what is hashed
    Item(id, picture, question, reference)          one question; `picture` is the key that `Task.open` understands

Scores move by tens of points with the wording of a prompt (TextVQA 61 or 49 with and without OCR words in it), with
the convention in which boxes are read, with the version of a parser. All three stand on the card, so that a number
cannot be reported without them. Not here: the files (`formats.py`, `formats_places.py`), our own pictures
(`worlds.py`), scoring (`scoring.py`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from showtell.core.errors import DataError
from showtell.core.geometry import Box, Point
from showtell.images.decode import Picture
from showtell.instruct.assistant import Question


@dataclass(frozen=True, kw_only=True)
class Card:
    """How a task is asked and scored.

    name: what it is called on the command line.
    version: of this card; a change of prompt, parser or data layout is a new version.
    data: which files, under which names, it is read from.
    prompt: what is asked; {question} and {options} are filled in from the item.
    metric: name of its score in `scoring.METRICS`.
    source: the paper or repository that the score is defined by.
    """

    name: str
    version: int
    data: str
    prompt: str
    metric: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question.

    id: unique within the task.
    picture: its key; None for a question without a picture. Items of one key are one cluster in every interval.
    question: text, or parts with places in pixels of the picture.
    reference: what is right, in the fields that the metric needs.
    skill: the row of the report that it counts in.
    """

    id: str
    picture: str | None
    question: Question
    reference: Mapping[str, Any]
    skill: str = "all"


@dataclass(frozen=True, eq=False)
class Task:
    """Items and the way to their pictures.

    open: from a key to the decoded picture; raises ImageError or DataError.
    """

    card: Card
    items: Sequence[Item]
    open: Callable[[str], Picture] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.items:
            raise DataError(f"{self.card.name}: the task has no items; check the files it was read from")
        seen: set[str] = set()
        for item in self.items:
            if item.id in seen:
                raise DataError(f"{self.card.name}: the id {item.id} occurs twice; every item needs its own")
            seen.add(item.id)

    def first(self, count: int | None) -> "Task":
        """The same task with its first items only."""
        return self if count is None else Task(self.card, self.items[:count], self.open)

    @property
    def fingerprint(self) -> str:
        """Hash of the card and of every item: questions, references, order."""
        rows = [plain(vars(self.card)), *(plain(vars(item)) for item in self.items)]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def plain(value: Any) -> str:
    """Canonical JSON, with places as plain data."""
    return json.dumps(value, default=_place, sort_keys=True, ensure_ascii=False)


def _place(value: Any) -> Any:
    """Places as plain data; anything else by what it calls itself, as the judges of `worlds.py` do."""
    if isinstance(value, Box):
        return {"box": list(value.xyxy), "frame": [value.frame.width, value.frame.height]}
    if isinstance(value, Point):
        return {"point": [value.x, value.y], "frame": [value.frame.width, value.frame.height]}
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
