"""One item of a data set before anything is decoded, and the protocol of everything that holds such items.

    source[index] -> Record(id, where, images = bytes of files, turns, facts)

A folder, a table, a tar and a list of conversations differ in how an index becomes bytes and in nothing else, so the
order (`data/order.py`), the mixture (`data/mixture.py`) and the quarantine (`data/quarantine.py`) know only this
protocol. The id is a hash of the content: it survives renaming, resharding and another machine, and two equal items
have equal ids wherever they lie. Decoding pictures is `images/decode.py`, one floor's width away.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation: text, and the numbers of the record's pictures where they stand in it."""

    role: Role
    parts: tuple[str | int, ...]


@dataclass(frozen=True)
class Record:
    """One item.

    id: 32 hexadecimal digits of the SHA-256 of what follows `where`.
    where: where it lies, for people: "train.jsonl row 812".
    images: its picture files, encoded as they are on disk.
    turns: its conversation, when it has one.
    facts: whatever else it says: `caption`, `label`, `boxes`.
    """

    id: str
    where: str
    images: tuple[bytes, ...] = ()
    turns: tuple[Turn, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Source(Protocol):
    """Items by number. `source[i]` is pure, and raises DataError naming the item when it cannot be used."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Record: ...


def make_record(
    where: str, images: Sequence[bytes] = (), turns: Sequence[Turn] = (), facts: Mapping[str, Any] | None = None
) -> Record:
    """A record with its id."""
    facts = dict(facts or {})
    digest = hashlib.sha256()
    spoken = [[turn.role, list(turn.parts)] for turn in turns]
    digest.update(json.dumps([len(images), spoken, facts], sort_keys=True, default=_hexadecimal).encode())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    return Record(digest.hexdigest()[:32], where, tuple(images), tuple(turns), facts)


def _hexadecimal(value: Any) -> str:
    """Bytes inside of facts; anything else that JSON does not know is a defect of the source."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    raise TypeError(f"a fact of type {type(value).__name__} cannot be hashed; sources give plain values")
