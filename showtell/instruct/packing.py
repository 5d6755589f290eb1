"""Several questions about one picture, and several pictures, in one row without leaks.

    row    [ picture A | question 1 | question 2 | picture B | question 1 | padding ]
    doc      0           0            0            1           1            -1
    branch   0           1            2            0           1            0
    pos      0..63       64..         64..         0..63       64..         0

A picture costs its tokens and its tower pass once however much is asked about it. `core.masks.branch_mask` lets a
question
see its picture and itself; positions start over for each question, so a packed question is computed exactly as it would
be alone. Questions that do not fit are left out whole, never cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from showtell.core.masks import PADDING
from showtell.text.chat import Rendered

IGNORE = -100


@dataclass(frozen=True)
class Document:
    """A shared trunk (usually a picture) and the branches that continue from it."""

    trunk: Rendered
    branches: Sequence[Rendered]


@dataclass(frozen=True)
class PackedRow:
    """One row of fixed length, int64 arrays; `targets[i]` is the id to predict *at* position i, IGNORE elsewhere.

    placed: for each document the number of branches that fitted.
    """

    ids: np.ndarray
    targets: np.ndarray
    positions: np.ndarray
    documents: np.ndarray
    branches: np.ndarray
    placed: tuple[int, ...]


@dataclass(frozen=True)
class PackedBatch:
    """Rows stacked, with the pictures in the order of their placeholders."""

    pixels: Tensor
    ids: Tensor
    targets: Tensor
    positions: Tensor
    documents: Tensor
    branches: Tensor


def pack_row(documents: Sequence[Document], length: int, padding_id: int) -> PackedRow:
    """Lay documents out one after another in `length` tokens.

    Raises ValueError if a document's trunk does not fit: the caller decides how many pictures a row holds.
    """
    row = PackedRow(
        ids=np.full(length, padding_id, np.int64),
        targets=np.full(length, IGNORE, np.int64),
        positions=np.zeros(length, np.int64),
        documents=np.full(length, PADDING, np.int64),
        branches=np.zeros(length, np.int64),
        placed=(),
    )
    start, placed = 0, []
    for number, document in enumerate(documents):
        trunk = len(document.trunk)
        if start + trunk > length:
            raise ValueError(
                f"document {number} needs {trunk} tokens for its picture, {length - start} are left of {length}"
            )
        start = _place(row, document.trunk, start, 0, number, 0)
        fitted = 0
        for rendered in document.branches:
            if start + len(rendered) <= length:
                fitted += 1
                start = _place(row, rendered, start, trunk, number, fitted)
        placed.append(fitted)
    return PackedRow(row.ids, row.targets, row.positions, row.documents, row.branches, tuple(placed))


def _place(row: PackedRow, rendered: Rendered, start: int, position: int, document: int, branch: int) -> int:
    """Write one rendered piece at `start`; returns where the next begins."""
    end = start + len(rendered)
    ids = np.asarray(rendered.ids, np.int64)
    row.ids[start:end] = ids
    row.positions[start:end] = np.arange(position, position + len(rendered))
    row.documents[start:end] = document
    row.branches[start:end] = branch
    trained = np.asarray(rendered.loss_mask[1:], bool)  # the token after position i is the target at i
    row.targets[start : end - 1][trained] = ids[1:][trained]
    return end


def stack_rows(rows: Sequence[PackedRow], pixels: Tensor) -> PackedBatch:
    """Rows to tensors of shape (batch, length)."""
    fields = ("ids", "targets", "positions", "documents", "branches")
    tensors = {name: torch.from_numpy(np.stack([getattr(row, name) for row in rows])) for name in fields}
    return PackedBatch(pixels=pixels, **tensors)
