"""An index of a folder of pictures, kept beside them, brought up to date instead of made again.

    folder --walk--> files --changed?--> decode --embedder--> unit vectors
    index/  index.json          which embedder, how wide
            entries.jsonl       {"path", "sha256", "bytes", "modified", "row"}       one line a file, the last counts
            vectors-00000.safetensors ...                                            PART rows each
            quarantine.jsonl    {"path", "why"}                                      what could not be read, and why

A file is looked at again when its size or time changed, and embedded again only when its *content* did: moving or
touching ten thousand pictures costs no forward pass, and copies of a picture share one row. Everything is written part
by part, vectors before the entries that name them, so that an interrupted call loses one part at most and the next one
goes on. An index made by another model is refused: its vectors mean something else.

Not here: which model (`Embedder`), showing the result.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from showtell.contrastive.neighbours import Graph, graph_for, nearest
from showtell.core.checkpoint import load_tensors, save_tensors, write_atomically
from showtell.core.errors import DataError, ImageError
from showtell.images.decode import Picture, decode

SUFFIXES = frozenset(".png .jpg .jpeg .webp .gif .tif .tiff .bmp .ppm .ico .tga .jp2 .avif".split())
PART = 256


@runtime_checkable
class Embedder(Protocol):
    """What an index needs of a dual encoder.

    name: what to call it in messages.
    key: names weights and preprocessing; equal keys give equal vectors.
    dim: width of the shared space.
    """

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def dim(self) -> int: ...

    def pictures(self, pictures: Sequence[Picture]) -> Tensor: ...
    def texts(self, texts: Sequence[str]) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One indexed file.

    path: relative to the folder, with forward slashes.
    sha256: of its bytes.
    bytes, modified: size and time of change (ns), to see cheaply that nothing happened.
    row: of its vector.
    """

    path: str
    sha256: str
    bytes: int
    modified: int
    row: int


@dataclass(frozen=True)
class Update:
    """What a call of `update` did, in files."""

    embedded: int
    reused: int
    removed: int
    quarantined: int


@dataclass(frozen=True)
class Hit:
    """One result: a file of the folder and its cosine with the query."""

    path: str
    score: float


class PictureIndex:
    """The index of one folder.

    Raises DataError when `place` holds an index of another embedder, or something that is no index.
    """

    def __init__(self, folder: str | Path, embedder: Embedder, place: str | Path | None = None) -> None:
        self.folder, self.embedder = Path(folder), embedder
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder; give one that holds pictures")
        self.place = Path(place) if place is not None else self.folder / ".showtell-index"
        self.entries: dict[str, Entry] = {}
        self._parts: list[Tensor] = []
        self._files: dict[int, list[str]] | None = None
        self._graph: Graph | None = None
        self._read()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def vectors(self) -> Float[Tensor, "rows dim"]:
        """Every stored vector, row by row."""
        if len(self._parts) != 1:
            self._parts = [torch.cat([torch.zeros(0, self.embedder.dim), *self._parts])]
        return self._parts[0]

    @property
    def rows(self) -> int:
        return sum(len(part) for part in self._parts)

    def update(self, on_file: Callable[[int, int], None] = lambda done, total: None) -> Update:
        """Bring the index up to date.

        Args:
            on_file: told how many of how many files are dealt with.

        Raises DataError when the folder holds no picture at all.
        """
        paths = sorted(self._walk())
        if not paths:
            raise DataError(f"{self.folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
        present = set(paths)
        removed = [path for path in self.entries if path not in present]
        for path in removed:
            del self.entries[path]
        rows = {entry.sha256: entry.row for entry in self.entries.values()}
        self._write_entries()
        self._files = self._graph = None
        waiting: list[Picture] = []
        counts, bad = {"embedded": 0, "reused": 0}, []
        for done, path in enumerate(paths, start=1):
            if self._changed(path):
                try:
                    counts[self._take(path, rows, waiting)] += 1
                except (ImageError, OSError) as error:
                    self.entries.pop(path, None)
                    bad.append({"path": path, "why": str(error)})
            if len(waiting) == PART:
                self._embed(waiting)
            on_file(done, len(paths))
        if waiting:
            self._embed(waiting)
        self._write_entries()
        self._files = None
        write_atomically(self.place / "quarantine.jsonl", "".join(json.dumps(line) + "\n" for line in bad).encode())
        return Update(counts["embedded"], counts["reused"], len(removed), len(bad))

    def search(self, query: Float[Tensor, " dim"], most: int = 12) -> list[Hit]:
        """The files whose vectors lie nearest to a unit vector, best first; copies of a picture all appear."""
        hits: list[Hit] = []
        unused = self.rows - len(self.files)  # rows of pictures that are gone
        for row in nearest(self.vectors, query, most + unused, self.graph).tolist():
            score = float(self.vectors[row] @ query)
            hits += [Hit(path, score) for path in self.files.get(row, ())]
            if len(hits) >= most:
                break
        return hits[:most]

    @property
    def files(self) -> dict[int, list[str]]:
        """Paths by row."""
        if self._files is None:
            self._files = {}
            for entry in self.entries.values():
                self._files.setdefault(entry.row, []).append(entry.path)
        return self._files

    @property
    def graph(self) -> Graph | None:
        """What large indexes are searched along."""
        if self._graph is None:
            self._graph = graph_for(self.vectors, self.place / "graph.usearch")
        return self._graph

    def search_text(self, text: str, most: int = 12) -> list[Hit]:
        """The pictures that fit a description best. Raises DataError for an empty one."""
        if not text.strip():
            raise DataError("the description is empty; say what the pictures should show")
        return self.search(self.embedder.texts([text.strip()])[0], most)

    def search_picture(self, picture: Picture, most: int = 12) -> list[Hit]:
        """The pictures most like another one."""
        return self.search(self.embedder.pictures([picture])[0], most)

    def _changed(self, path: str) -> bool:
        """Whether a file is new, or its size or time is not what the entry says."""
        entry = self.entries.get(path)
        if entry is None:
            return True
        status = (self.folder / path).stat()
        return (entry.bytes, entry.modified) != (status.st_size, status.st_mtime_ns)

    def _take(self, path: str, rows: dict[str, int], waiting: list[Picture]) -> str:
        """Enter a file: under the row of the same content, or under the next one with its picture in `waiting`.

        Raises ImageError or OSError when it cannot be read; nothing is entered then.
        """
        status = (self.folder / path).stat()
        content = (self.folder / path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        known = digest in rows
        if not known:
            waiting.append(decode(content))
            rows[digest] = self.rows + len(waiting) - 1
        self.entries[path] = Entry(
            path=path, sha256=digest, bytes=status.st_size, modified=status.st_mtime_ns, row=rows[digest]
        )
        return "reused" if known else "embedded"

    def _walk(self) -> Iterator[str]:
        for root, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                    yield (Path(root) / name).relative_to(self.folder).as_posix()

    def _embed(self, waiting: list[Picture]) -> None:
        """Vectors of a part, written, then the entries that name them."""
        with torch.inference_mode():
            vectors = self.embedder.pictures(waiting).float().cpu().clone()
        number, known = len(list(self.place.glob("vectors-*.safetensors"))), self.rows
        save_tensors({"vectors": vectors}, self.place / f"vectors-{number:05d}.safetensors")
        self._parts.append(vectors)
        waiting.clear()
        with open(self.place / "entries.jsonl", "a", encoding="utf-8") as file:
            file.writelines(_line(entry) for entry in self.entries.values() if entry.row >= known)

    def _write_entries(self) -> None:
        """All of them, once each."""
        self.place.mkdir(parents=True, exist_ok=True)
        head = {"version": 1, "embedder": self.embedder.key, "name": self.embedder.name, "dim": self.embedder.dim}
        write_atomically(self.place / "index.json", (json.dumps(head, indent=1) + "\n").encode())
        known = (_line(entry) for entry in self.entries.values() if entry.row < self.rows)
        write_atomically(self.place / "entries.jsonl", "".join(known).encode())

    def _read(self) -> None:
        if not (self.place / "index.json").exists():
            return
        try:
            head = json.loads((self.place / "index.json").read_text(encoding="utf-8"))
            lines = (self.place / "entries.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
            entries = [Entry(**json.loads(line)) for line in lines if line.endswith("\n")]  # the last may be torn
            made_by, name = (head["embedder"], head["dim"]), str(head.get("name", head["embedder"]))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise DataError(f"{self.place} is no readable index ({error}); delete it to have it made again") from error
        if made_by != (self.embedder.key, self.embedder.dim):
            raise DataError(
                f"{self.place} was made by {name} ({made_by[0]}) and the model at hand is {self.embedder.name} "
                f"({self.embedder.key}); use that model, or delete the index to have it made again"
            )
        self._parts = [load_tensors(path)["vectors"] for path in sorted(self.place.glob("vectors-*.safetensors"))]
        self.entries = {entry.path: entry for entry in entries if entry.row < self.rows}


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry)) + "\n"
