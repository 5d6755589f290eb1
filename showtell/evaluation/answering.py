"""Who answers: a model of ours, a published one, or a file of answers that somebody else's model gave.

    Answerer.answer(task, items) -> [Reply(said, picture hash, refused)]        Answerer.identity -> what it is, hashed

A model is asked in chunks of the task's own order; `instruct/asking.py` sees to it that neither chunks nor company
change an answer. Words of published models hold boxes in their family's own convention, which is named (`--codec`) and
never guessed. An answer file is rows {"id", "prediction"}, with "box" or "point" in pixels where the answer is a place.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from showtell.core.config import to_dict
from showtell.core.errors import ConfigError, DataError
from showtell.core.geometry import Box, Point
from showtell.evaluation.scoring import Said
from showtell.evaluation.task import Item, Task
from showtell.images.decode import Picture, decode
from showtell.instruct.answer import Answer, token_groups
from showtell.instruct.asking import ask_all
from showtell.instruct.asking_published import ask_published
from showtell.instruct.assistant import Assistant
from showtell.instruct.published import Published
from showtell.text.dialects import DIALECTS
from showtell.text.sampling import SamplingConfig

BLANK = np.full((64, 64, 3), 128, np.uint8)
HUGE = 4.0  # a box that reaches this many times the picture's side beyond it is a mistake of units


@dataclass(frozen=True)
class Reply:
    """An answer with the hash of the pixels it was given; `refused` says why nothing was asked, where that is so."""

    said: Said
    picture: str | None = None
    refused: str | None = None


class Answerer(Protocol):
    """Something that answers items."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> dict[str, Any]: ...

    def answer(self, task: Task, items: Sequence[Item]) -> list[Reply]: ...


def digest(picture: Picture) -> str:
    """Hash of the pixels as they were decoded, shape included."""
    return hashlib.sha256(repr(picture.pixels.shape).encode() + picture.pixels.tobytes()).hexdigest()


def weights_digest(model: nn.Module) -> str:
    """Hash of names, shapes and values of all tensors of a model."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        found.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        found.update(values.reshape(-1).view(dtype=_bytes_of(values)).numpy().tobytes())
    return found.hexdigest()


def _bytes_of(values: Any) -> Any:
    import torch

    return torch.uint8 if values.numel() else values.dtype


class _Pictures:
    """The pictures of a chunk, each decoded once; a question without one is asked over a blank."""

    def __init__(self, task: Task, items: Sequence[Item]):
        keys = list(dict.fromkeys(item.picture for item in items))
        self.number = {key: place for place, key in enumerate(keys)}
        self.shown = [decode(BLANK) if key is None else task.open(key) for key in keys]
        self.hashes = {key: None if key is None else digest(self.shown[place]) for key, place in self.number.items()}


@dataclass(frozen=True, eq=False)
class OfAssistant:
    """A model of ours."""

    assistant: Assistant
    sampling: SamplingConfig = SamplingConfig()

    @property
    def name(self) -> str:
        return self.assistant.name

    @property
    def identity(self) -> dict[str, Any]:
        bundle = self.assistant.bundle
        words = hashlib.sha256(json.dumps(to_dict(bundle.config), sort_keys=True).encode()).hexdigest()
        edition = {"edition": bundle.card["edition"]} if "edition" in bundle.card else {}
        weights = weights_digest(bundle.model)
        return {"model": self.name, "weights": weights, "config": words, "sampling": to_dict(self.sampling)} | edition

    def answer(self, task: Task, items: Sequence[Item]) -> list[Reply]:
        pictures = _Pictures(task, items)
        refused = {item.id: why for item in items if (why := self._refusal(item, pictures))}
        asked = [item for item in items if item.id not in refused]
        numbers = [(pictures.number[item.picture], item.question) for item in asked]
        answers = dict(
            zip((i.id for i in asked), ask_all(self.assistant, pictures.shown, numbers, self.sampling), strict=True)
        )
        return [
            Reply(Said(""), pictures.hashes[item.picture], refused[item.id])
            if item.id in refused
            else Reply(_said(answers[item.id]), pictures.hashes[item.picture])
            for item in items
        ]

    def _refusal(self, item: Item, pictures: _Pictures) -> str | None:
        frame = pictures.shown[pictures.number[item.picture]].frame
        try:
            self.assistant.prompt(item.question, self.assistant.processor.view(frame))
        except ConfigError as error:
            return str(error)
        return None


@dataclass(frozen=True, eq=False)
class OfPublished:
    """A published vision-language model; `codec` is the convention that its boxes are read in."""

    model: Published
    codec: str | None = None
    sampling: SamplingConfig = SamplingConfig()

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def identity(self) -> dict[str, Any]:
        weights = weights_digest(self.model.model)
        return {"model": self.name, "weights": weights, "codec": self.codec, "sampling": to_dict(self.sampling)}

    def answer(self, task: Task, items: Sequence[Item]) -> list[Reply]:
        pictures = _Pictures(task, items)
        asked = []
        for item in items:
            if not isinstance(item.question, str) and not all(isinstance(part, str) for part in item.question):
                raise ConfigError(f"item {item.id} asks about a place, and {self.name} is asked in words only")
            words = item.question if isinstance(item.question, str) else "".join(str(part) for part in item.question)
            asked.append((pictures.number[item.picture], words))
        answers = ask_published(self.model, pictures.shown, asked, self.sampling)
        replies = []
        for item, (number, _), answer in zip(items, asked, answers, strict=True):
            found = (
                ()
                if self.codec is None
                else DIALECTS[self.codec].read(answer.answer, pictures.shown[number].frame).found
            )
            boxes = tuple(one.shape for one in found if isinstance(one.shape, Box))
            points = tuple(one.shape for one in found if isinstance(one.shape, Point))
            said = Said(answer.answer, boxes, points, answer.confidence)
            replies.append(Reply(said, pictures.hashes[item.picture]))
        return replies


def _said(answer: Answer) -> Said:
    boxes, points = (tuple(one.box for one in answer.boxes), tuple(one.point for one in answer.points))
    return Said(answer.answer, boxes, points, sureness(answer))


def sureness(answer: Answer) -> float:
    """Geometric mean of the probabilities of the words; of an answer that is places only, of all its tokens.

    The coordinates of evidence are uncertain by a step or two whether the answer is right or not.
    """
    words = [token.probability for group in token_groups(answer.tokens) if not group.located for token in group.tokens]
    return math.exp(sum(math.log(max(p, 1e-12)) for p in words) / len(words)) if words else answer.confidence


@dataclass(frozen=True, eq=False)
class OfFile:
    """Answers that are already there. Raises DataError for a row that cannot be used, or an item without one."""

    path: Path
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "OfFile":
        rows: dict[str, Mapping[str, Any]] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read as answers; give a .jsonl file, one answer a line") from error
        for number, line in enumerate(lines):
            where = f"row {number} of {path.name}"
            try:
                row = json.loads(line) if line.strip() else None
            except ValueError as error:
                raise DataError(f"{where} is not JSON; give one object a line") from error
            if row is None:
                continue
            if not isinstance(row, dict) or "id" not in row:
                raise DataError(f'{where} has no id; give {{"id": …, "prediction": …}}')
            if str(row["id"]) in rows:
                raise DataError(f"{where}: the id {row['id']} occurs twice; give one answer for each")
            rows[str(row["id"])] = row
        if not rows:
            raise DataError(f"{path.name} holds no answer; give one a line")
        return cls(path, rows)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.name, "answers": hashlib.sha256(self.path.read_bytes()).hexdigest()}

    def answer(self, task: Task, items: Sequence[Item]) -> list[Reply]:
        missing = [item.id for item in items if item.id not in self.rows]
        if missing:
            raise DataError(
                f"{self.path.name}: {len(missing):,} items have no answer, first {missing[0]}; "
                'answer every item, with an empty "prediction" where the model gave none'
            )
        return [Reply(self._said(self.rows[item.id], task, item)) for item in items]

    def _said(self, row: Mapping[str, Any], task: Task, item: Item) -> Said:
        where = f"the answer {item.id} of {self.path.name}"
        text = row.get("prediction", "")
        if not isinstance(text, str):
            raise DataError(f"{where}: the prediction should be words, and is {str(text)[:60]!r}")
        confidence = row.get("confidence")
        if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
            raise DataError(f"{where}: the confidence {confidence} is not a number from 0 to 1")
        if "box" not in row and "point" not in row:
            return Said(text, confidence=confidence)
        truth = item.reference.get("box")
        frame = truth.frame if isinstance(truth, Box) else task.open(item.picture or "").frame
        sides = (frame.width, frame.height) * 2
        numbers = _numbers(row.get("box", row.get("point")), 4 if "box" in row else 2, where)
        if any(abs(value) > HUGE * side for value, side in zip(numbers, sides, strict=False)):
            raise DataError(
                f"{where}: {numbers} lies far outside a picture of {frame.width} x {frame.height}; give pixels of it"
            )
        if "point" in row:
            return Said(text, points=(Point(numbers[0], numbers[1], frame),), confidence=confidence)
        x1, y1, x2, y2 = numbers
        try:
            return Said(text, boxes=(Box(x1, y1, x2, y2, frame),), confidence=confidence)
        except ValueError as error:
            raise DataError(f"{where}: {error}; give x1, y1, x2, y2 with x1 < x2 and y1 < y2") from error


def _numbers(values: Any, count: int, where: str) -> list[float]:
    fits = isinstance(values, list) and len(values) == count and all(isinstance(value, int | float) for value in values)
    if not fits or not all(math.isfinite(value) for value in values):
        raise DataError(f"{where}: {str(values)[:60]} are not {count} finite numbers; give pixels of the picture")
    return [float(value) for value in values]
