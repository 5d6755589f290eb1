"""Published question sets as they are unpacked on disk: open answers, yes or no, and options.

    card         files                                                    a row
    vqav2        *questions*.json, *annotations*.json                     question_id, image_id, answers
    gqa          *questions*.json                                         id -> imageId, question, answer
    textvqa      TextVQA*.json                                            data: image_id, question, answers
    docvqa       *docvqa*.json or {val,test}*.json                        data: questionId, image, answers
    chartqa      test_human.json, test_augmented.json                     imgname, query, label
    pope         *pope*.json (a row a line)                               image, text, label
    scienceqa    problems.json                                            id -> question, choices, answer, image
    mmmu         a row a line, or Parquet                                 question, options, answer, image_1
    mmbench      *.tsv                                                    index, image (base64), question, A, B, ...

Each reader gives items in the order of the file. Boxes, clicks and captions are in `formats_places.py`. The prompts
are those under which the published numbers of LLaVA-like models were measured, and stand on the cards (`cards.py`).
"""

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from showtell.core.errors import DataError
from showtell.data.sources import read_picture, read_text
from showtell.evaluation.files import Folder, field
from showtell.evaluation.task import Card, Item, Task
from showtell.images.decode import Picture, decode
from showtell.metrics.multiple_choice import LETTERS


def vqav2(folder: Folder, card: Card) -> Task:
    questions = field(folder.json("*questions*.json"), "questions", list, "the questions of VQA v2")
    notes = field(folder.json("*annotations*.json"), "annotations", list, "the annotations of VQA v2")
    answers = {note["question_id"]: note for note in notes}
    names = {row["image_id"]: _coco_name(folder, row["image_id"]) for row in questions}
    keys = folder.pictures(names.values())
    items = []
    for row in questions:
        where = f"vqav2: question {row.get('question_id')}"
        note = answers.get(row["question_id"])
        if note is None:
            raise DataError(f"{where} has no annotation; give the annotations of the same split")
        items.append(
            Item(
                id=str(row["question_id"]),
                picture=keys[names[row["image_id"]]],
                question=_asked(card, field(row, "question", str, where)),
                reference={"answers": [one["answer"] for one in field(note, "answers", list, where)]},
                skill=str(note.get("answer_type", "all")),
            )
        )
    return Task(card, items, folder.open)


def _coco_name(folder: Folder, image: int) -> str:
    """COCO's pictures have a prefix that names the split, or none."""
    for split in ("val2014", "test2015", "train2014"):
        if folder.picture(name := f"COCO_{split}_{image:012d}.jpg"):
            return name
    return f"{image:012d}.jpg"


def gqa(folder: Folder, card: Card) -> Task:
    rows = folder.json("*questions*.json")
    keys = folder.pictures(f"{field(row, 'imageId', str, f'gqa: question {key}')}.jpg" for key, row in rows.items())
    items = [
        Item(
            id=key,
            picture=keys[f"{row['imageId']}.jpg"],
            question=_asked(card, field(row, "question", str, f"gqa: question {key}")),
            reference={"answer": field(row, "answer", str, f"gqa: question {key}")},
            skill=str(row.get("types", {}).get("structural", "all")),
        )
        for key, row in rows.items()
    ]
    return Task(card, items, folder.open)


def textvqa(folder: Folder, card: Card) -> Task:
    rows = field(folder.json("TextVQA*.json", "*textvqa*.json"), "data", list, "textvqa")
    keys = folder.pictures(f"{row['image_id']}.jpg" for row in rows)
    return Task(card, [_open(card, row, "question_id", keys[f"{row['image_id']}.jpg"]) for row in rows], folder.open)


def docvqa(folder: Folder, card: Card) -> Task:
    rows = field(folder.json("*docvqa*.json", "val*.json", "test*.json"), "data", list, "docvqa")
    keys = folder.pictures(field(row, "image", str, f"docvqa: question {row.get('questionId')}") for row in rows)
    items = [
        _open(card, row, "questionId", keys[row["image"]], (row.get("question_types") or ["all"])[0]) for row in rows
    ]
    return Task(card, items, folder.open)


def _open(card: Card, row: Mapping[str, Any], number: str, picture: str, skill: str = "all") -> Item:
    """A question with several true answers."""
    where = f"{card.name}: question {row.get(number)}"
    return Item(
        id=str(row[number]),
        picture=picture,
        question=_asked(card, field(row, "question", str, where)),
        reference={"answers": field(row, "answers", list, where)},
        skill=skill,
    )


def chartqa(folder: Folder, card: Card) -> Task:
    items: list[Item] = []
    for part in ("human", "augmented"):
        rows = folder.json(f"*{part}*.json")
        keys = folder.pictures(row["imgname"] for row in rows)
        for number, row in enumerate(rows):
            where = f"chartqa: row {number} of {part}"
            question, label = field(row, "query", str, where), field(row, "label", (str, int, float), where)
            reference = {"answer": str(label)}
            items.append(
                Item(
                    id=f"{part}-{number}",
                    picture=keys[row["imgname"]],
                    question=_asked(card, question),
                    reference=reference,
                    skill=part,
                )
            )
    return Task(card, items, folder.open)


def pope(folder: Folder, card: Card) -> Task:
    """Every file of the three splits that is there: the skill is the split."""
    files = sorted(folder.root.rglob("*pope*.json*")) if folder.annotations is None else [folder.annotations]
    if not files:
        raise DataError(f"pope: no file named *pope*.json below {folder.root}; see the task's card")
    items: list[Item] = []
    for path in files:
        rows = Folder(path, "pope").rows(path.name)
        split = next((name for name in ("random", "popular", "adversarial") if name in path.stem), path.stem)
        keys = folder.pictures(field(row, "image", str, f"pope: {path.name}") for row in rows)
        for number, row in enumerate(rows):
            where = f"pope: row {number} of {path.name}"
            items.append(
                Item(
                    id=f"{split}-{row.get('question_id', number)}",
                    picture=keys[row["image"]],
                    question=_asked(card, field(row, "text", str, where)),
                    reference={"answer": field(row, "label", str, where).strip().lower()},
                    skill=split,
                )
            )
    return Task(card, items, folder.open)


def scienceqa(folder: Folder, card: Card) -> Task:
    """The test split; questions with a picture are the usual headline and have their own skill."""
    rows = {key: row for key, row in folder.json("problems.json").items() if row.get("split", "test") == "test"}
    shown = {key: f"{row['split']}/{key}/{row['image']}" for key, row in rows.items() if row.get("image")}
    named = {key: _first(folder, (f"images/{name}", name, f"images/test/{key}.png")) for key, name in shown.items()}
    keys = folder.pictures(named.values())
    items = [
        _choice(
            card,
            key,
            keys[named[key]] if key in named else None,
            f"{row['hint']}\n{row['question']}" if row.get("hint") else row.get("question"),
            field(row, "choices", list, f"scienceqa: problem {key}"),
            LETTERS[field(row, "answer", int, f"scienceqa: problem {key}")],
            "with a picture" if key in named else "text only",
        )
        for key, row in rows.items()
    ]
    return Task(card, items, folder.open)


def _first(folder: Folder, names: tuple[str, ...]) -> str:
    return next((name for name in names if (folder.root / name).is_file()), names[0])


def mmbench(folder: Folder, card: Card) -> Task:
    """A table whose pictures are base64 in a column; a number in its place is the row that has the same picture."""
    path = folder.find("*.tsv")
    csv.field_size_limit(2**30)
    rows = list(csv.DictReader(StringIO(read_text(path, card.name)), delimiter="\t"))
    pictures = {row["index"]: row["image"] for row in rows if row.get("image")}
    items = []
    for row in rows:
        where = f"mmbench: index {row.get('index')}"
        options = [row[letter] for letter in LETTERS[:8] if row.get(letter)]
        question = f"{row['hint']}\n{row['question']}" if row.get("hint") else row.get("question")
        skill = row.get("category") or "all"
        answer = field(row, "answer", str, where)
        items.append(_choice(card, field(row, "index", str, where), row["index"], question, options, answer, skill))

    def open_row(key: str) -> Picture:
        content = pictures[key]
        content = pictures.get(content, content) if len(content) < 64 else content
        return decode(read_picture(f"data:image/jpeg;base64,{content}", folder.root, f"mmbench: index {key}"))

    return Task(card, items, open_row)


def mmmu(folder: Folder, card: Card) -> Task:
    """Rows of JSON lines or Parquet; options may be a list or, as published, a list written out as Python text."""
    rows = list(_mmmu_rows(folder))
    stored: dict[str, Any] = {}
    items = []
    for number, row in enumerate(rows):
        where = f"mmmu: row {number}"
        options, name = _listed(row.get("options"), where), str(row.get("id", number))
        picture = row.get("image_1") or row.get("image")
        if picture is not None:
            stored[name] = picture
        question = re.sub(r"<image \d+>", "", field(row, "question", str, where)).strip()
        skill = str(row.get("subfield") or row.get("subject") or "all")
        key = name if picture is not None else None
        if options:
            items.append(_choice(card, name, key, question, options, field(row, "answer", str, where), skill))
        else:
            truth = _listed(row.get("answer"), where) or [str(row.get("answer"))]
            asked = f"{question}\nAnswer the question using a single word or phrase."
            items.append(Item(id=name, picture=key, question=asked, reference={"answers": truth}, skill=skill))
    return Task(card, items, lambda key: decode(read_picture(stored[key], folder.root, f"mmmu: {key}")))


def _mmmu_rows(folder: Folder) -> Iterator[Any]:
    tables = sorted(folder.root.rglob("*.parquet"))
    if not tables:
        yield from folder.rows("*.jsonl", "*.json")
        return
    import pyarrow.parquet as parquet

    for path in tables:
        yield from parquet.read_table(path).to_pylist()


def _listed(value: Any, where: str) -> list[str]:
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            raise DataError(f"{where}: the options {value[:60]!r} are no list") from error
    return [str(one) for one in value] if isinstance(value, list) else []


def _choice(
    card: Card, name: str, picture: str | None, question: Any, options: list[str], answer: str, skill: str
) -> Item:
    where = f"{card.name}: item {name}"
    letter = answer.strip().upper()
    if not isinstance(question, str) or not options or letter not in LETTERS[: len(options)]:
        raise DataError(f"{where}: the answer {answer[:20]!r} is not one of {len(options)} options")
    lettered = "\n".join(f"{LETTERS[i]}. {option}" for i, option in enumerate(options))
    asked = card.prompt.format(question=question, options=lettered)
    return Item(id=name, picture=picture, question=asked, reference={"answer": letter, "options": options}, skill=skill)


def _asked(card: Card, question: str) -> str:
    return card.prompt.replace("{question}", question)
