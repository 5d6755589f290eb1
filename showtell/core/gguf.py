"""GGUF: one file with a model's configuration, vocabulary, chat template and quantised weights.

    "GGUF" | version | number of tensors | number of entries
    entries         key, type, value                                architecture, sizes, vocabulary, template
    tensor headers  name, shape (fastest dimension first), block format, offset
    padding to a multiple of `general.alignment`
    tensor data

The file is mapped, not read: a tensor costs memory when it is asked for, and comes out as float32. What the numbers
mean to a decoder is `text/gguf_decoder.py`, the vocabulary `text/gguf_tokenizer.py`. The layout follows the
specification in ggml (`docs/gguf.md`), versions 2 and 3, little endian. Writing such files is not here.
"""

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from showtell.core.errors import CheckpointError
from showtell.core.gguf_blocks import FORMATS

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class TensorHeader:
    """Where a tensor lies.

    shape: slowest dimension first, as in torch.
    format: the number of its block format.
    offset: of its first byte, from the start of the tensor data.
    """

    shape: tuple[int, ...]
    format: int
    offset: int


class Cursor:
    """Reads values one after the other; every read is checked against the end of the file."""

    def __init__(self, data: mmap.mmap):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise ValueError("it ends in the middle of a value")
        self.at += count
        return self.data[self.at - count : self.at]

    def scalar(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        return self.take(self.scalar("Q")).decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind in SCALARS:
            return self.scalar(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            return self.array(self.scalar("I"), self.scalar("Q"))
        raise ValueError(f"it has a value of the unknown type {kind}")

    def array(self, kind: int, count: int) -> list[Any]:
        if kind in SCALARS:
            code = SCALARS[kind]
            return list(struct.unpack(f"<{count}{code}", self.take(count * struct.calcsize("<" + code))))
        if kind != STRING:
            raise ValueError(f"it has an array of the unknown type {kind}")
        return [self.string() for _ in range(count)]


class GGUFFile:
    """An open GGUF file: `entries` by key, `headers` by tensor name, tensors on demand."""

    def __init__(self, path: str | Path):
        """Raises CheckpointError when the file is missing, not GGUF, cut off, or holds an unknown block format."""
        self.path = Path(path)
        if not self.path.is_file():
            raise CheckpointError(f"{self.path}: no such file; check the path or fetch the model first")
        try:
            with open(self.path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            self.entries, self.headers, self.start = self._read_headers()
        except (ValueError, struct.error, OverflowError) as error:
            raise CheckpointError(f"{self.path} is not a whole GGUF file: {error}; fetch it again") from error
        self.check()

    def _read_headers(self) -> tuple[dict[str, Any], dict[str, TensorHeader], int]:
        cursor = Cursor(self.data)
        if cursor.take(4) != MAGIC:
            raise ValueError("it does not begin with GGUF")
        version = cursor.scalar("I")
        if version not in VERSIONS:
            raise ValueError(f"it has version {version}, and versions {VERSIONS} are read here")
        tensors, count = cursor.scalar("Q"), cursor.scalar("Q")
        entries = {}
        for _ in range(count):
            key = cursor.string()
            entries[key] = cursor.value(cursor.scalar("I"))
        headers = {}
        for _ in range(tensors):
            name, dimensions = cursor.string(), cursor.scalar("I")
            if dimensions > MOST_DIMENSIONS:
                raise ValueError(f"its tensor {name} has {dimensions} dimensions")
            shape = tuple(cursor.scalar("Q") for _ in range(dimensions))[::-1]
            headers[name] = TensorHeader(shape, cursor.scalar("I"), cursor.scalar("Q"))
        alignment = entries.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(f"its alignment is {alignment!r}")
        return entries, headers, -(-cursor.at // alignment) * alignment

    def check(self) -> None:
        """Every tensor has a known format, whole blocks, and lies inside the file."""
        for name, header in self.headers.items():
            if header.format not in FORMATS:
                known = ", ".join(block.name for block in FORMATS.values())
                raise CheckpointError(
                    f"{self.path}: {name} is stored in block format {header.format}, which is not read here; "
                    f"take a file in one of {known}"
                )
            block = FORMATS[header.format]
            if not header.shape or header.shape[-1] % block.numbers:
                raise CheckpointError(f"{self.path}: {name} of shape {list(header.shape)} is not in whole blocks")
            if self.start + header.offset + self.size(header) > len(self.data):
                raise CheckpointError(f"{self.path} is cut off: {name} lies beyond its end; fetch it again")

    @staticmethod
    def size(header: TensorHeader) -> int:
        """Bytes of a tensor."""
        block = FORMATS[header.format]
        return prod(header.shape) // block.numbers * block.bytes

    def tensor(self, name: str) -> Tensor:
        """A tensor's numbers in float32; raises CheckpointError when there is none of that name."""
        if name not in self.headers:
            raise CheckpointError(f"{self.path} has no tensor {name}")
        header = self.headers[name]
        block = FORMATS[header.format]
        raw = torch.frombuffer(self.data, dtype=torch.uint8, count=self.size(header), offset=self.start + header.offset)
        return block.read(raw.view(-1, block.bytes)).reshape(header.shape)

    def tensors(self) -> dict[str, Tensor]:
        """All of them."""
        return {name: self.tensor(name) for name in self.headers}
