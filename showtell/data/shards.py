"""Tar shards in the layout of WebDataset, with an index of our own: any sample of any shard in one read.

    shard-000.tar    a.jpg a.json | b.jpg b.json | ...           one sample = the members of one name
    shard-000.tar.index.json    {"size": bytes of the tar, "samples": [["a", {"jpg": [offset, length], ...}], ...]}
    shards.index.json           {"shard-000.tar": [bytes of the tar, samples, damage], ...}         all of a folder

The index is built once from the headers alone and written beside the shard. With it a tar is random access: the order
is a keyed permutation as for any other source, and resuming at step ten million reads nothing but the next sample;
WebDataset itself streams, shuffles in a buffer and cannot resume ("use resampling"). Paths with `://` go through
fsspec, one range request a sample; an order that stays inside of a few shards (`data.order.Windowed`) keeps a disk or
a network happy. A truncated shard gives its whole samples and says what is missing (`damaged`). Opening forty thousand
shards reads one file; of the indexes only those in use are in memory.
"""

import json
import os
import tarfile
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from showtell.core.checkpoint import write_atomically
from showtell.core.errors import DataError
from showtell.data.conversations import read_turns
from showtell.data.record import Record, make_record
from showtell.data.sources import PICTURE_FIELDS, SUFFIXES

Members = dict[str, tuple[int, int]]
SUMMARY = "shards.index.json"


@dataclass(frozen=True)
class ShardIndex:
    """Where the samples of one shard lie.

    size: bytes of the tar the index was made from.
    samples: (name, {suffix: (offset, length)}) in the order of the tar.
    damage: what is wrong with the shard, or None.
    """

    size: int
    samples: list[tuple[str, Members]]
    damage: str | None = None


class TarShards:
    """All samples of some shards.

    Args:
        held: indexes and open files kept by each process; a `Windowed` order needs as many as its window.

    Raises DataError when a path is no readable, uncompressed tar.
    """

    def __init__(self, paths: Sequence[str | Path], held: int = 64):
        self.paths, self.held = [str(path) for path in paths], held
        if not self.paths:
            raise DataError("no shard was named; check the pattern of their paths")
        counts, damage = zip(*summaries(self.paths), strict=True)
        self.groups: list[int] = list(counts)
        self.damaged = [(p, why) for p, why in zip(self.paths, damage, strict=True) if why is not None]
        self.ends = list(accumulate(self.groups))
        self._indexes: OrderedDict[int, ShardIndex] = OrderedDict()
        self._handles: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Record:
        shard = bisect_right(self.ends, index)
        name, members = self._index(shard).samples[index - self.ends[shard] + self.groups[shard]]
        where = f"{name} of {Path(self.paths[shard]).name}"
        # Members of a sample lie side by side: one read, from the first byte of the first to the last of the last.
        start = min(offset for offset, _ in members.values())
        end = max(offset + length for offset, length in members.values())
        content = self._read(shard, start, end - start, where)
        files = {suffix: content[at - start : at - start + length] for suffix, (at, length) in members.items()}
        return as_record(files, where)

    def _index(self, shard: int) -> ShardIndex:
        """From memory if it was among the last ones."""
        if shard not in self._indexes:
            index = load_index(self.paths[shard])
            if len(index.samples) != self.groups[shard]:
                raise DataError(
                    f"{self.paths[shard]} has {len(index.samples)} samples and had {self.groups[shard]} when it was "
                    "opened; it was cut or replaced since, fetch it again"
                )
            self._indexes[shard] = index
            while len(self._indexes) > self.held:
                self._indexes.popitem(last=False)
        self._indexes.move_to_end(shard)
        return self._indexes[shard]

    def _read(self, shard: int, offset: int, length: int, where: str) -> bytes:
        path = self.paths[shard]
        try:
            if "://" in path:
                content = _remote(path)[0].cat_file(_remote(path)[1], start=offset, end=offset + length)
            else:
                # One handle a shard; pread has no position that forked processes could share.
                if path not in self._handles:
                    self._handles[path] = os.open(path, os.O_RDONLY)
                    while len(self._handles) > self.held:
                        os.close(self._handles.popitem(last=False)[1])
                self._handles.move_to_end(path)
                content = os.pread(self._handles[path], length, offset)
        except OSError as error:
            raise DataError(f"{where}: {path} cannot be read ({error.strerror or error})") from error
        if len(content) != length:
            raise DataError(f"{where}: {path} ends before it; the shard was cut after it was indexed, fetch it again")
        return content


def as_record(files: dict[str, bytes], where: str) -> Record:
    """The members of a sample: pictures, the fields of its .json, and other text (`txt` is its caption)."""
    images = [content for suffix, content in sorted(files.items()) if f".{suffix.rpartition('.')[2]}" in SUFFIXES]
    facts: dict[str, Any] = {}
    turns: Any = ()
    for suffix, content in files.items():
        try:
            if suffix == "json":
                row = json.loads(content)
                if isinstance(row, dict) and (row.get("messages") or row.get("conversations") or row.get("texts")):
                    turns, _ = read_turns(row | {"images": images}, where)
                facts |= {k: v for k, v in row.items() if k not in PICTURE_FIELDS} if isinstance(row, dict) else {}
            elif suffix in ("txt", "caption"):
                facts["caption"] = content.decode("utf-8").strip()
            elif suffix == "cls":
                facts["label"] = int(content)
        except ValueError as error:
            raise DataError(f"{where}: its .{suffix} cannot be read ({error}); make the shard anew") from error
    return make_record(where, images, turns, facts)


def summaries(paths: Sequence[str]) -> list[tuple[int, str | None]]:
    """(samples, damage) of each shard, from one file a folder; shards it does not know are indexed and added to it."""
    known: dict[Path, dict[str, Any]] = {}
    found: list[tuple[int, str | None]] = []
    new: set[Path] = set()
    for path in paths:
        folder, name = Path(path).parent, Path(path).name
        if "://" in path:
            index = load_index(path)
            found.append((len(index.samples), index.damage))
            continue
        if folder not in known:
            known[folder] = _known(folder / SUMMARY)
        size, entry = _size(path), known[folder].get(name)
        if entry is None or entry[0] != size:
            index = load_index(path)
            known[folder][name] = entry = [size, len(index.samples), index.damage]
            new.add(folder)
        found.append((entry[1], entry[2]))
    for folder in new:
        if os.access(folder, os.W_OK):
            write_atomically(folder / SUMMARY, json.dumps(known[folder], separators=(",", ":")).encode())
    return found


def _known(file: Path) -> dict[str, Any]:
    """A summary if there is one that can be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: [int(size), int(count), why] for name, (size, count, why) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def load_index(path: str) -> ShardIndex:
    """The index beside a shard if it is of this shard, else a new one, written beside it where that is allowed."""
    beside = Path(path + ".index.json")
    size = _size(path)
    if "://" not in path and beside.is_file():
        try:
            known = json.loads(beside.read_text(encoding="utf-8"))
            if known["size"] == size:
                samples = [(name, {s: (at, n) for s, (at, n) in files.items()}) for name, files in known["samples"]]
                return ShardIndex(size, samples, known["damage"])
        except (ValueError, KeyError, TypeError, OSError):
            pass  # an index that cannot be read is made again
    index = build_index(path, size)
    if "://" not in path and os.access(beside.parent, os.W_OK):
        content = {"size": size, "damage": index.damage, "samples": index.samples}
        write_atomically(beside, json.dumps(content, separators=(",", ":")).encode())
    return index


def build_index(path: str, size: int) -> ShardIndex:
    """Read the headers of a tar, one after another, skipping the contents."""
    samples: dict[str, Members] = {}
    damage = None
    try:
        with _opened(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                folder, _, base = member.name.rpartition("/")
                stem, dot, suffix = base.partition(".")
                if not member.isreg() or not dot or not stem:
                    continue
                if member.offset_data + member.size > size:
                    damage = f"it ends in the middle of {member.name}"
                    break
                name = f"{folder}/{stem}" if folder else stem
                samples.setdefault(name, {})[suffix.lower()] = (member.offset_data, member.size)
            file.seek(min(tar.offset, size))
            if damage is None and file.read(512) != bytes(512):  # a whole tar ends in blocks of zeros
                damage = "it ends early: its end mark is missing"
    except tarfile.ReadError as error:
        if not samples:
            raise DataError(f"{path} is not an uncompressed tar ({error}); unpack or fetch it again") from error
        damage = f"it ends early ({error})"
    if damage is not None and samples:
        samples.popitem()  # the last sample may have lost members
    return ShardIndex(size, list(samples.items()), damage)


def _remote(path: str) -> tuple[Any, str]:
    import fsspec

    return fsspec.core.url_to_fs(path)


def _size(path: str) -> int:
    try:
        return int(_remote(path)[0].size(_remote(path)[1])) if "://" in path else os.stat(path).st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the path") from error


def _opened(path: str) -> Any:
    return _remote(path)[0].open(_remote(path)[1], "rb") if "://" in path else open(path, "rb")
