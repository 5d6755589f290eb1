"""Items that cannot be used are set aside, by name, and replaced; too many of them stop the run.

    position --order--> index --make--> sample
                          |  DataError, ImageError
                          v
    quarantine.jsonl   {"where": "row 812 of train.jsonl", "why": "...", "index": 811}       and another index instead

The replacement is the item of a position so far ahead that no run reaches it: a pure function of the position, so a
resumed run, other workers and other ranks replace alike. Nothing is skipped, which keeps batches full and positions
aligned. What is quarantined is data: a wrong configuration or a defect of the code is raised as ever.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from showtell.core.errors import DataError, ImageError
from showtell.data.order import Order

FAR = 1 << 44  # positions; at a thousand samples a second a run would get there in five centuries
TRIES = 16


@dataclass(frozen=True, kw_only=True)
class QuarantineConfig:
    """When to stop.

    share: of the items a process has looked at that may be bad, before the run stops.
    least: bad items that never stop a run, however few were looked at.
    """

    share: float = 0.01
    least: int = 10


class Quarantined:
    """`make(position)` for `data.loader.Batches` out of a `make_item(index, position)` that may fail.

    Args:
        order: position -> index.
        make_item: (index, position) -> sample; the position is there to key its randomness.
        path: where `quarantine.jsonl` is; several processes may append to it.
    """

    def __init__(
        self,
        order: Order,
        make_item: Callable[[int, int], Any],
        path: str | Path,
        config: QuarantineConfig = QuarantineConfig(),
    ):
        self.order, self.make_item, self.path, self.config = order, make_item, Path(path), config
        self.looked, self.bad = 0, set[int]()

    def __call__(self, position: int) -> Any:
        """The sample of a position.

        Raises DataError when too many items are bad, naming the file that lists them.
        """
        for attempt in range(TRIES):
            index = self.order(position + attempt * FAR)
            if index in self.bad:
                continue
            self.looked += 1
            try:
                return self.make_item(index, position)
            except (DataError, ImageError) as error:
                self.bad.add(index)
                note(self.path, {"index": index, "position": position, "why": str(error)})
            self._check()
        raise DataError(f"{TRIES} items in a row cannot be used for position {position}; read {self.path}")

    def _check(self) -> None:
        allowed = max(self.config.least, self.config.share * self.looked)
        if len(self.bad) > allowed:
            raise DataError(
                f"{len(self.bad)} of {self.looked} items cannot be used, more than {self.config.share:.1%} and more "
                f"than {self.config.least}; read {self.path}, then repair the data or allow a larger share"
            )


def note(path: Path, what: dict[str, Any]) -> None:
    """Append one line; lines of several processes do not mix, because each is one write to the end of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, (json.dumps(what) + "\n").encode())
    finally:
        os.close(handle)


def quarantined(path: str | Path) -> list[dict[str, Any]]:
    """Each bad item once, in the order of their indices; a line that a crash cut is left out."""
    found: dict[int, dict[str, Any]] = {}
    if Path(path).exists():
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                found.setdefault(int(entry["index"]), entry)
            except (ValueError, KeyError):
                continue
    return [found[index] for index in sorted(found)]
