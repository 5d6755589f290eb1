"""Dual encoders on tasks: class names and captions ranked for a picture, pictures ranked for a caption.

    classes     picture x names of all classes   -> the best name, its probability        (`contrastive/zero_shot.py`)
    retrieval   caption x all pictures, picture x all captions   -> the ten best, by their keys

    R@K of a caption: its picture is among the K best;  of a picture: any of its captions is        (CLIP_benchmark)

Everything is embedded once, in the order of the task, so that a score does not depend on how a run is cut. State how
many captions a picture has: COCO's files hold five to seven. Not here: models that write (`answering.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from showtell.contrastive.embedder import PairEmbedder
from showtell.contrastive.zero_shot import ZeroShot, classifier
from showtell.core.errors import ConfigError
from showtell.evaluation.answering import Reply, digest
from showtell.evaluation.files import Folder
from showtell.evaluation.files import field as value_of
from showtell.evaluation.scoring import Said
from showtell.evaluation.task import Card, Item, Task

BEST = 10
TO_PICTURE, TO_TEXT = "text to picture", "picture to text"
TOGETHER = 64


def retrieval(folder: Folder, card: Card) -> Task:
    """COCO's captions as queries in both directions."""
    content = folder.json("*captions*.json")
    images = {image["id"]: image for image in value_of(content, "images", list, card.name)}
    notes = [note for note in value_of(content, "annotations", list, card.name) if note.get("image_id") in images]
    keys = folder.pictures(images[note["image_id"]]["file_name"] for note in notes)
    of_image: dict[str, list[str]] = {}
    items = []
    for note in notes:
        key = keys[images[note["image_id"]]["file_name"]]
        caption = value_of(note, "caption", str, f"{card.name}: annotation {note.get('id')}")
        of_image.setdefault(key, []).append(f"text-{note['id']}")
        items.append(
            Item(
                id=f"text-{note['id']}",
                picture=key,
                question=caption,
                reference={"right": [key]},
                skill=TO_PICTURE,
            )
        )
    items += [
        Item(id=f"picture-{key}", picture=key, question="which caption?", reference={"right": some}, skill=TO_TEXT)
        for key, some in of_image.items()
    ]
    return Task(card, items, folder.open)


@dataclass(eq=False)
class OfPair:
    """A dual encoder as an answerer."""

    embedder: PairEmbedder
    _ranked: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _of: str = ""

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.name, "weights": self.embedder.key}

    def answer(self, task: Task, items: Sequence[Item]) -> list[Reply]:
        """Raises ConfigError for a task that asks for words a dual encoder cannot write."""
        if self._of != task.fingerprint:
            self._hashes, self._of = {}, task.fingerprint
            self._ranked = self._classes(task) if task.card.metric == "class" else self._retrieval(task)
        return [
            Reply(Said(self._ranked[item.id][0], confidence=self._ranked[item.id][1]), self._hashes[item.picture or ""])
            for item in items
        ]

    def _pictures(self, task: Task) -> tuple[list[str], Tensor]:
        """Keys of all pictures, and their unit vectors."""
        keys = list(dict.fromkeys(item.picture for item in task.items if item.picture is not None))
        rows = []
        for first in range(0, len(keys), TOGETHER):
            shown = [task.open(key) for key in keys[first : first + TOGETHER]]
            self._hashes |= {key: digest(one) for key, one in zip(keys[first : first + TOGETHER], shown, strict=True)}
            rows.append(self.embedder.pictures(shown))
        return keys, torch.cat(rows)

    def _classes(self, task: Task) -> dict[str, tuple[str, float | None]]:
        names: list[str] = list(task.items[0].reference["classes"])
        known: ZeroShot = classifier(self.embedder.texts, names, scale=self.embedder.scale)
        keys, vectors = self._pictures(task)
        chances, best = known.probabilities(vectors).max(dim=1)
        said = {key: (names[int(b)], float(c)) for key, b, c in zip(keys, best, chances, strict=True)}
        return {item.id: said[item.picture or ""] for item in task.items}

    def _retrieval(self, task: Task) -> dict[str, tuple[str, float | None]]:
        if task.card.metric != "ranking":
            raise ConfigError(
                f"{self.name} is a dual encoder: it ranks pictures and words, and {task.card.name} asks for an answer; "
                "score it on classes=FOLDER or retrieval=FOLDER"
            )
        keys, vectors = self._pictures(task)
        captions = [item for item in task.items if item.skill == TO_PICTURE]
        scores = self.embedder.texts([str(item.question) for item in captions]) @ vectors.T  # (captions, pictures)
        names = [item.id for item in captions]
        ranked: dict[str, tuple[str, float | None]] = {}
        for item, row in zip(captions, scores, strict=True):
            ranked[item.id] = (_best(row, keys), None)
        for key, row in zip(keys, scores.T, strict=True):
            ranked[f"picture-{key}"] = (_best(row, names), None)
        return ranked


def _best(scores: Tensor, keys: Sequence[str]) -> str:
    return "\n".join(keys[i] for i in scores.topk(min(BEST, len(keys))).indices.tolist())
