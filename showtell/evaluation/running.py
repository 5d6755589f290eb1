"""A run: every item answered once, written down at once, and scored when all are there.

    FOLDER/run.json         what is being run, hashed: model, weights, card, items, sampling
           answers.jsonl    an answer a line, in the order of the task; a run that stops goes on from here
           records.jsonl    each item with its answer, what is right, and every score
           summary.json     scores with intervals, and one hash over everything that entered

The same command resumes; another model, prompt or set of items in the same folder is refused, since the rows would mix.
The records are the same bytes however often a run was interrupted. Not here: intervals (`summary.py`), pages
(`report.py`).
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from showtell.core.checkpoint import write_atomically
from showtell.core.errors import DataError
from showtell.core.geometry import Box, Frame, Point
from showtell.evaluation.answering import Answerer, Reply
from showtell.evaluation.scoring import Said, reference_to_json, score
from showtell.evaluation.task import Item, Task

CHUNK = 64


@dataclass(frozen=True, eq=False)
class Record:
    """One item, what was answered, and its score in every definition."""

    item: Item
    reply: Reply
    scores: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain data, one line of records.jsonl."""
        asked = self.item.question
        parts = [asked] if isinstance(asked, str) else list(asked)
        words = "".join(part if isinstance(part, str) else f"[{_shown(part)}]" for part in parts)
        return {
            "id": self.item.id,
            "picture": self.item.picture,
            "skill": self.item.skill,
            "question": words,
            "reference": reference_to_json(self.item.reference),
            **reply_to_json(self.reply),
            "scores": self.scores,
        }


@dataclass(frozen=True, eq=False)
class Run:
    """All records of a task, and what entered."""

    task: Task
    identity: dict[str, Any]
    records: list[Record]

    @property
    def hash(self) -> str:
        """Over the model, the card, the items, the pixels, the answers and the scores."""
        found = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode())
        for record in self.records:
            found.update(json.dumps(record.to_json(), sort_keys=True).encode())
        return found.hexdigest()


def run(
    answerer: Answerer,
    task: Task,
    folder: Path | None = None,
    *,
    chunk: int = CHUNK,
    on_answers: Callable[[int, int], None] = lambda done, total: None,
) -> Run:
    """Answer what has no answer yet, then score.

    Args:
        folder: where the run is kept; None keeps it in memory only.
        chunk: items read and asked together; changes no answer.
        on_answers: told how many of how many are answered.

    Raises DataError when the folder holds another run.
    """
    identity = answerer.identity | {"card": vars(task.card) | {}, "task": task.fingerprint}
    replies = kept(folder, identity, task) if folder is not None else []
    on_answers(len(replies), len(task.items))
    for some in _chunks(task, len(replies), chunk):
        found = answerer.answer(task, some)
        if folder is not None:
            with open(folder / "answers.jsonl", "a", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"id": i.id, **reply_to_json(r)}) + "\n" for i, r in zip(some, found, strict=True)
                )
        replies += found
        on_answers(len(replies), len(task.items))
    scores = score(task.card.metric, [reply.said for reply in replies], task.items)
    records = [
        Record(item, reply, {name: round(values[row], 6) for name, values in scores.items()})
        for row, (item, reply) in enumerate(zip(task.items, replies, strict=True))
    ]
    finished = Run(task, identity, records)
    if folder is not None:
        lines = "".join(json.dumps(record.to_json(), ensure_ascii=False) + "\n" for record in records)
        write_atomically(folder / "records.jsonl", lines.encode())
    return finished


def _chunks(task: Task, done: int, chunk: int) -> Iterator[list[Item]]:
    for first in range(done, len(task.items), chunk):
        yield list(task.items[first : first + chunk])


def kept(folder: Path, identity: dict[str, Any], task: Task) -> list[Reply]:
    """The answers that an earlier run left, as far as they are whole; a line that was cut off is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    declared, written = folder / "run.json", folder / "answers.jsonl"
    if not declared.exists():
        write_atomically(declared, (json.dumps(identity, indent=1, sort_keys=True) + "\n").encode())
    elif (before := json.loads(declared.read_text(encoding="utf-8"))) != json.loads(json.dumps(identity)):
        names = ", ".join(sorted(name for name in {*before, *identity} if before.get(name) != identity.get(name)))
        raise DataError(f"{folder} holds another run ({names} differ); name another folder with --out")
    if not written.exists():
        return []
    lines = written.read_bytes().split(b"\n")[:-1]  # what follows the last line break was cut off
    replies = []
    for item, line in zip(task.items, lines, strict=False):
        row = json.loads(line)
        if row["id"] != item.id:
            raise DataError(f"{written}: the answer {row['id']} stands where {item.id} belongs; remove the file")
        replies.append(reply_from_json(row))
    write_atomically(written, b"".join(line + b"\n" for line in lines[: len(replies)]))
    return replies


def reply_to_json(reply: Reply) -> dict[str, Any]:
    said = reply.said
    places: list[Box | Point] = [*said.boxes, *said.points]
    frame = places[0].frame if places else None
    row: dict[str, Any] = {"prediction": said.text, "confidence": said.confidence}
    if frame is not None:
        row["frame"] = [frame.width, frame.height]
        row["boxes"] = [list(box.xyxy) for box in said.boxes]
        row["points"] = [[point.x, point.y] for point in said.points]
    row |= {"picture_sha256": reply.picture} if reply.picture else {}
    return row | ({"refused": reply.refused} if reply.refused else {})


def reply_from_json(row: dict[str, Any]) -> Reply:
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    if "frame" in row:
        frame = Frame(*row["frame"])
        boxes = tuple(Box(x1, y1, x2, y2, frame) for x1, y1, x2, y2 in row["boxes"])
        points = tuple(Point(x, y, frame) for x, y in row["points"])
    said = Said(row["prediction"], boxes, points, row["confidence"])
    return Reply(said, row.get("picture_sha256"), row.get("refused"))


def _shown(place: Box | Point) -> str:
    return " ".join(f"{value:.0f}" for value in (place.xyxy if isinstance(place, Box) else (place.x, place.y)))
