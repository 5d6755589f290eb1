"""Data sets that are plain files: a folder of pictures, conversations in JSON lines, CSV, COCO.

    PictureFolder("birds/")              label = subfolder, caption = the .txt beside a picture
    JsonLines("train.jsonl")             any format of data/conversations.py; one seek a row
    CsvFile("pairs.csv", "path", "text") a column names the picture, the others are facts
    Coco("instances.json", "images/")    boxes as xyxy pixels, labels, captions

Each is built by looking at names and offsets only; bytes are read when an item is asked for, by whichever process asks.
Paths are relative to the file that names them, or to `pictures`. Tar shards are `data/shards.py`, Parquet is
`data/tables.py`.
"""

import base64
import binascii
import csv
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from showtell.core.errors import DataError
from showtell.data.conversations import read_turns
from showtell.data.record import Record, make_record

SUFFIXES = frozenset(".png .jpg .jpeg .webp .gif .bmp .tif .tiff .ppm .avif .jp2".split())
PICTURE_FIELDS = frozenset({"image", "images", "messages", "conversations", "texts", "system"})


class PictureFolder:
    """Every picture below a folder, sorted by path.

    Raises DataError when there is none.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.paths = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise DataError(f"{self.folder}: no picture ({' '.join(sorted(SUFFIXES))}) below it; check the path")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Record:
        path = self.paths[index]
        inner = path.relative_to(self.folder)
        facts: dict[str, Any] = {"label": inner.parts[0]} if len(inner.parts) > 1 else {}
        beside = path.with_suffix(".txt")
        if beside.is_file():
            facts["caption"] = read_text(beside, str(inner)).strip()
        return make_record(str(path), [read_picture(path, path.parent, str(path))], facts=facts)


class JsonLines:
    """One JSON object a line, usually a conversation; `pictures` is where their paths start.

    Only the offsets of the lines are held in memory: 8 bytes a row.
    """

    def __init__(self, path: str | Path, pictures: str | Path | None = None):
        self.path = Path(path)
        self.pictures = self.path.parent if pictures is None else Path(pictures)
        self.offsets = line_offsets(self.path)
        if len(self) < 1:
            raise DataError(f"{self.path} has no rows; give a file with one conversation a line")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Record:
        where = f"row {index} of {self.path.name}"
        row = self.row(index)
        turns, named = read_turns(row, where)
        facts = {key: value for key, value in row.items() if key not in PICTURE_FIELDS}
        return make_record(where, [read_picture(name, self.pictures, where) for name in named], turns, facts)

    def row(self, index: int) -> Any:
        """The JSON of a row as it stands in the file.

        Raises DataError naming the row when it is not JSON.
        """
        start, end = int(self.offsets[index]), int(self.offsets[index + 1])
        with open(self.path, "rb") as file:
            file.seek(start)
            line = file.read(end - start)
        try:
            return json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            why = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise DataError(f"row {index} of {self.path.name}: not JSON ({why}); one conversation a line") from error


class JsonList(JsonLines):
    """One JSON list of objects, as LLaVA's and ShareGPT's files are; all of it is held in memory."""

    def __init__(self, path: str | Path, pictures: str | Path | None = None):
        self.path = Path(path)
        self.pictures = self.path.parent if pictures is None else Path(pictures)
        try:
            self.rows = json.loads(read_text(self.path, str(self.path)))
        except json.JSONDecodeError as error:
            raise DataError(f"{self.path}: not JSON ({error.msg} in line {error.lineno}); write it anew") from error
        if not isinstance(self.rows, list) or not self.rows:
            raise DataError(f"{self.path} is no list of rows; give a list of conversations, or one a line")

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Any:
        return self.rows[index]


def conversations(path: str | Path, pictures: str | Path | None = None) -> JsonLines:
    """`JsonLines`, or `JsonList` where the file begins with a bracket; DataError when there is no such file."""
    try:
        with open(path, "rb") as file:
            begins = file.read(64).lstrip()[:1]
    except OSError as error:
        raise DataError(f"{path} cannot be read; check the path") from error
    return (JsonList if begins == b"[" else JsonLines)(path, pictures)


class CsvFile:
    """A table with a header; `picture` is the column with the path, the other columns become facts.

    The rows are held in memory: for tables of many millions of rows use Parquet.
    """

    def __init__(self, path: str | Path, picture: str = "image", *, delimiter: str = ",", pictures: str | Path = ""):
        self.path, self.picture = Path(path), picture
        self.pictures = Path(pictures) if pictures else self.path.parent
        with open(self.path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            self.rows = list(reader)
            names = reader.fieldnames or []
        if picture not in names:
            raise DataError(f"{self.path}: no column {picture!r}; the columns are {', '.join(names) or 'none'}")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Record:
        where, row = f"row {index} of {self.path.name}", self.rows[index]
        if None in row or None in row.values():
            raise DataError(f"{where}: it has not as many cells as the header; check its quotes and delimiters")
        facts = {key: value for key, value in row.items() if key != self.picture}
        return make_record(where, [read_picture(row[self.picture], self.pictures, where)], facts=facts)


class Coco:
    """An annotation file of COCO with its pictures: instances, captions, or both if the file holds both."""

    def __init__(self, annotations: str | Path, pictures: str | Path):
        self.path, self.pictures = Path(annotations), Path(pictures)
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            self.images = sorted(content["images"], key=lambda image: image["id"])
            self.names = {category["id"]: category["name"] for category in content.get("categories", [])}
            self.notes: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
            for note in content["annotations"]:
                self.notes[note["image_id"]].append(note)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.path} is not an annotation file of COCO ({error!r}); check the path") from error

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Record:
        image = self.images[index]
        where = f"picture {image['id']} of {self.path.name}"
        boxes, labels, captions = [], [], []
        for note in self.notes[image["id"]]:
            if "caption" in note:
                captions.append(note["caption"])
            if "bbox" in note and not note.get("iscrowd"):
                x, y, width, height = note["bbox"]
                if note["category_id"] not in self.names or width <= 0 or height <= 0:
                    raise DataError(f"{where}: annotation {note.get('id')} has no category or no area; correct it")
                boxes.append([x, y, x + width, y + height])
                labels.append(self.names[note["category_id"]])
        facts: dict[str, Any] = {"width": image["width"], "height": image["height"]}
        facts |= {"boxes": boxes, "labels": labels} if self.names else {}
        facts |= {"captions": captions} if captions else {}
        return make_record(where, [read_picture(image["file_name"], self.pictures, where)], facts=facts)


def line_offsets(path: Path) -> np.ndarray:
    """Where each line that is not blank starts, and where the last one ends.

    Raises DataError when the file cannot be read.
    """
    offsets, position = [0], 0
    try:
        with open(path, "rb") as file:
            for line in file:
                position += len(line)
                if line.strip():
                    offsets.append(position)
                else:
                    offsets[-1] = position
    except OSError as error:
        raise DataError(f"{path} is not a .jsonl file; give a file with one conversation a line") from error
    return np.asarray(offsets, np.int64)


def read_picture(name: Any, folder: Path, where: str) -> bytes:
    """The bytes of a picture that a row names: a path, a `data:` URL, bytes, or `{"bytes": …}` of a Hugging Face table.

    Raises DataError for everything else, and for a file that cannot be read or is empty.
    """
    if isinstance(name, Mapping):
        name = name.get("bytes") or name.get("path")
    if isinstance(name, bytes):
        return name
    if not isinstance(name, str | Path) or "://" in str(name):
        raise DataError(f"{where}: {str(name)[:80]!r} names no picture file; fetch it and give its path")
    if str(name).startswith("data:"):
        try:
            return base64.b64decode(str(name).partition(",")[2], validate=True)
        except binascii.Error as error:
            raise DataError(f"{where}: the data: URL is not base64 ({error}); write the picture anew") from error
    path = folder / name
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder)):
        raise DataError(f"{where}: the picture {name} lies outside of {folder}; name the folder that holds all of them")
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{where}: the picture {path} cannot be read; correct its path or the file") from error
    if not content:
        raise DataError(f"{where}: the picture {path} is empty; fetch it again")
    return content


def read_text(path: Path, where: str) -> str:
    """A text file in UTF-8; DataError when it is not."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: {path.name} is not text in UTF-8; write it anew") from error
