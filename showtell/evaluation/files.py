"""Finding a published data set on disk: its annotation files by their names, its pictures wherever they lie.

    data/vqav2/  v2_OpenEnded_mscoco_val2014_questions.json       <- "*questions*.json"
                 v2_mscoco_val2014_annotations.json               <- "*annotations*.json"
                 val2014/COCO_val2014_000000000042.jpg            <- by its name, in any folder below

People unpack archives in many ways; the name of a picture is unique in almost every published set. Where it is not
(ScienceQA has thousands of image.png), an annotation's own path is followed. All pictures are looked for before
anything is asked: a run that stops at item 4,811 is worse than one that does not start.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from showtell.core.errors import DataError
from showtell.data.sources import SUFFIXES, read_text
from showtell.images.decode import Picture, decode


class Folder:
    """The files of one data set. Raises DataError when there is no such folder."""

    def __init__(self, path: Path, task: str):
        self.task = task
        self.annotations = path if path.is_file() else None
        self.root = path.parent if path.is_file() else path
        if not self.root.is_dir():
            raise DataError(f"{task}: there is no folder {path}; give the one that holds the files of the data set")
        self._pictures: dict[str, Path | None] | None = None

    def find(self, *patterns: str) -> Path:
        """The one file of these names below the folder; of several, the first in the order of their paths."""
        if self.annotations is not None and any(self.annotations.match(pattern) for pattern in patterns):
            return self.annotations
        for pattern in patterns:
            found = sorted(self.root.rglob(pattern))
            if found:
                return found[0]
        raise DataError(f"{self.task}: no file named {' or '.join(patterns)} below {self.root}; see the task's card")

    def json(self, *patterns: str) -> Any:
        """The content of such a JSON file."""
        path = self.find(*patterns)
        try:
            return json.loads(read_text(path, self.task))
        except ValueError as error:
            raise DataError(f"{self.task}: {path.name} is not JSON ({error}); fetch it again") from error

    def rows(self, *patterns: str) -> list[Any]:
        """The rows of a file with a JSON value a line."""
        path = self.find(*patterns)
        rows = []
        for number, line in enumerate(read_text(path, self.task).splitlines()):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise DataError(
                        f"{self.task}: row {number} of {path.name} is not JSON; one object a line"
                    ) from error
        return rows

    def picture(self, name: str) -> str | None:
        """The path of a picture below the folder as a key, by its relative path or its unique name."""
        if (self.root / name).is_file():
            return name
        if self._pictures is None:
            self._pictures = {}
            for path in sorted(self.root.rglob("*")):
                if path.suffix.lower() in SUFFIXES:
                    self._pictures[path.name] = None if path.name in self._pictures else path
        found = self._pictures.get(Path(name).name)
        return None if found is None else str(found.relative_to(self.root))

    def pictures(self, names: Iterable[str]) -> dict[str, str]:
        """A key for every name. Raises DataError saying how many are missing, and one of them."""
        wanted = dict.fromkeys(names)
        found = {name: self.picture(name) for name in wanted}
        missing = [name for name, key in found.items() if key is None]
        if missing:
            raise DataError(
                f"{self.task}: {len(missing):,} of {len(wanted):,} pictures are not below {self.root}, "
                f"first: {missing[0]}; add them, or remove their items from the annotations"
            )
        return {name: key for name, key in found.items() if key is not None}

    def open(self, key: str) -> Picture:
        return decode(self.root / key)


def field(row: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field of a row; DataError when it is not there or of another kind."""
    value = row.get(name) if isinstance(row, dict) else None
    if value is None or not isinstance(value, kind):
        kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise DataError(f"{where}: the field {name} should be a {kinds}, and is {str(value)[:60]!r}")
    return value
