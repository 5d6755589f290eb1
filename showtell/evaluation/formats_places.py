"""Published sets about places, captions and classes, and the plain form that anything can be brought into.

    card         files                                                     a row
    refcoco      *.jsonl (Qwen-VL's) or a COCO file with captions          sent, bbox xyxy; or caption, bbox xywh
    screenspot   screenspot_*.json                                         img_filename, bbox xywh, instruction
    captions     captions_*.json (COCO's)                                  image_id -> all its captions
    classes      a folder a class (ImageNet's layout)                      the name of the folder is the answer
    jsonl        {"id", "image", "question", and one of "answer", "answers", "options" + "answer", "box", "caption(s)"}

Boxes are turned into typed ones here, from the convention of the file, and nowhere else. One row of a referring set is
one *sentence*; several of one picture are one cluster. Not here: questions with words for an answer (`formats.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from showtell.core.errors import DataError, ImageError
from showtell.core.geometry import Box, Frame
from showtell.data.sources import PictureFolder, read_picture
from showtell.evaluation.files import Folder, field
from showtell.evaluation.task import Card, Item, Task
from showtell.images.decode import decode
from showtell.metrics.multiple_choice import LETTERS


def refcoco(folder: Folder, card: Card) -> Task:
    """Both files that people have: Qwen-VL's rows, whose boxes are corners, and MDETR's COCO file, whose are not."""
    path = folder.find("*.jsonl", "finetune_refcoco*.json", "*refcoco*.json")
    rows = folder.rows(path.name) if path.suffix == ".jsonl" else _from_mdetr(folder.json(path.name))
    names = folder.pictures(Path(field(row, "image", str, f"refcoco: row {i}")).name for i, row in enumerate(rows))
    items = []
    for number, row in enumerate(rows):
        where = f"refcoco: row {number} of {path.name}"
        frame = Frame(field(row, "width", int, where), field(row, "height", int, where))
        sentence = field(row, "sent", str, where)
        items.append(
            Item(
                id=str(row.get("id", number)),
                picture=names[Path(row["image"]).name],
                question=card.prompt.format(question=sentence),
                reference={"box": box_of(field(row, "bbox", list, where), frame, where)},
                skill=str(row.get("split", path.stem)),
            )
        )
    return Task(card, items, folder.open)


def _from_mdetr(content: Any) -> list[dict[str, Any]]:
    """One image entry a sentence, with the box of its only annotation."""
    images = {image["id"]: image for image in field(content, "images", list, "refcoco")}
    rows = []
    for note in field(content, "annotations", list, "refcoco"):
        image = images.get(note.get("image_id"))
        if image is None:
            raise DataError(f"refcoco: annotation {note.get('id')} belongs to no picture of the file")
        x, y, width, height = note["bbox"]
        rows.append(
            {
                "id": note["id"],
                "image": image["file_name"],
                "sent": image["caption"],
                "bbox": [x, y, x + width, y + height],
                "width": image["width"],
                "height": image["height"],
            }
        )
    return rows


def screenspot(folder: Folder, card: Card) -> Task:
    """ScreenSpot's boxes are x, y, width, height; those of ScreenSpot-Pro, which has `img_size`, are corners."""
    rows = folder.json("*screenspot*.json", "*.json")
    keys = folder.pictures(field(row, "img_filename", str, f"screenspot: row {i}") for i, row in enumerate(rows))
    items = []
    for number, row in enumerate(rows):
        where = f"screenspot: row {number}"
        frame = Frame(*row["img_size"]) if "img_size" in row else _frame_of(folder.root / keys[row["img_filename"]])
        a, b, c, d = field(row, "bbox", list, where)
        corners = [a, b, c, d] if "img_size" in row else [a, b, a + c, b + d]
        items.append(
            Item(
                id=str(row.get("id", number)),
                picture=keys[row["img_filename"]],
                question=card.prompt.format(question=field(row, "instruction", str, where)),
                reference={"box": box_of(corners, frame, where)},
                skill=f"{row.get('data_source', row.get('platform', 'all'))} {row.get('data_type', '')}".strip(),
            )
        )
    return Task(card, items, folder.open)


def _frame_of(path: Path) -> Frame:
    try:
        with Image.open(path) as picture:
            return Frame(*picture.size)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read as a picture ({error}); fetch it again") from error


def captions(folder: Folder, card: Card) -> Task:
    content = folder.json("*captions*.json")
    said: dict[Any, list[str]] = {}
    for note in field(content, "annotations", list, "captions"):
        said.setdefault(note["image_id"], []).append(
            field(note, "caption", str, f"captions: annotation {note.get('id')}")
        )
    images = [image for image in field(content, "images", list, "captions") if image["id"] in said]
    keys = folder.pictures(image["file_name"] for image in images)
    items = [
        Item(
            id=str(image["id"]),
            picture=keys[image["file_name"]],
            question=card.prompt,
            reference={"captions": said[image["id"]]},
        )
        for image in images
    ]
    return Task(card, items, folder.open)


def classes(folder: Folder, card: Card) -> Task:
    """A folder a class; underscores in its name are spaces."""
    pictures = PictureFolder(folder.root)
    paths = [path.relative_to(folder.root) for path in pictures.paths]
    flat = [path for path in paths if len(path.parts) < 2]
    if flat:
        raise DataError(f"classes: {flat[0]} lies in no folder of a class; give a folder with one folder a class")
    names = sorted({path.parts[0].replace("_", " ") for path in paths})
    items = [
        Item(
            id=str(path),
            picture=str(path),
            question=card.prompt.format(options=", ".join(names)),
            reference={"answer": path.parts[0].replace("_", " "), "classes": names},
            skill=path.parts[0].replace("_", " "),
        )
        for path in paths
    ]
    return Task(card, items, folder.open)


METRIC_OF = (("box", "box"), ("options", "choice"), ("answers", "vqa"), ("captions", "captions"), ("answer", "exact"))


def jsonl(folder: Folder, card: Card) -> Task:
    """Any rows; which metric they need is seen from their fields, and must be the same for all."""
    assert folder.annotations is not None
    rows = folder.rows(folder.annotations.name)
    if not rows:
        raise DataError(f"{folder.annotations.name}: the task has no items; give one JSON object a line")
    found = next((pair for pair in METRIC_OF if pair[0] in rows[0]), None)
    if found is None:
        wanted = ", ".join(name for name, _ in METRIC_OF)
        raise DataError(f"row 0 of {folder.annotations.name} says nothing of what is right; give one of {wanted}")
    name, metric = found
    card = Card(**{**vars(card), "name": folder.annotations.stem, "metric": metric})
    pictured = [row for row in rows if isinstance(row, dict) and row.get("image")]
    keys = folder.pictures(str(row["image"]) for row in pictured if not str(row["image"]).startswith("data:"))
    stored: dict[str, str] = {}
    items = []
    for number, row in enumerate(rows):
        where = f"row {number} of {folder.annotations.name}"
        image = row.get("image") if isinstance(row, dict) else None
        if isinstance(image, str) and image.startswith("data:"):
            stored[f"row {number}"] = image
        key = None if not image else keys.get(str(image), f"row {number}")
        items.append(_jsonl_item(card, row, name, key, number, where))

    def open_row(key: str) -> Any:
        return decode(read_picture(stored[key], folder.root, key)) if key in stored else folder.open(key)

    return Task(card, items, open_row)


def _jsonl_item(card: Card, row: Any, name: str, key: str | None, number: int, where: str) -> Item:
    question = field(row, "question", str, where)
    reference: dict[str, Any] = {}
    if name == "box":
        width, height = field(row, "size", list, where)
        reference["box"] = box_of(field(row, "box", list, where), Frame(width, height), where)
    elif name == "options":
        options = [str(one) for one in field(row, "options", list, where)]
        letter = str(field(row, "answer", str, where)).upper()
        if letter not in LETTERS[: len(options)]:
            raise DataError(f"{where}: the answer {letter[:20]!r} is not the letter of one of {len(options)} options")
        reference |= {"options": options, "answer": letter}
        question += "\n" + "\n".join(f"{LETTERS[i]}. {option}" for i, option in enumerate(options))
    else:
        reference[name] = field(row, name, list if name in ("answers", "captions") else str, where)
    return Item(
        id=str(row.get("id", number)),
        picture=key,
        question=question,
        reference=reference,
        skill=str(row.get("skill", "all")),
    )


def box_of(corners: Sequence[Any], frame: Frame, where: str) -> Box:
    """Corners x1, y1, x2, y2 in pixels as a typed box; DataError for what is no box of this picture."""
    try:
        x1, y1, x2, y2 = (float(value) for value in corners)
        box = Box(x1, y1, x2, y2, frame)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {str(list(corners))[:60]} is no box x1, y1, x2, y2 ({error})") from error
    if box.clip().area <= 0:
        raise DataError(f"{where}: the box {list(box.xyxy)} lies outside its picture of {frame.width} x {frame.height}")
    return box
