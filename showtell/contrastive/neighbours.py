"""The nearest of very many vectors: all compared, or found along a graph.

    up to MOST_COMPARED       query . every vector: exact, no memory beside the vectors, milliseconds
    above, with usearch       a graph of near neighbours (HNSW: Malkov and Yashunin 2016) over int8 copies; a query
                              walks it and compares few vectors; the best are compared once more, exactly

A million vectors of 384 numbers are 1.5 GB and every one of them is read for an exact answer; the graph is a quarter of
that and reads a thousandth. It is built once a part and kept beside the vectors. Without `usearch` (the `search` extra)
the answer is always the exact one. Not here: which file a row belongs to (`index.py`).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST_COMPARED = 100_000
WIDER = 8  # how many times more than wanted are taken from the graph


def nearest(
    vectors: Float[Tensor, "rows dim"], query: Float[Tensor, " dim"], most: int, graph: "Graph | None" = None
) -> Int[Tensor, " found"]:
    """Rows with the largest cosine with `query`, best first; all of unit length."""
    if graph is None:
        scores: Tensor = vectors @ query
        return scores.topk(min(most, len(vectors))).indices
    rows = graph.search(query, min(WIDER * most, len(vectors)))
    return rows[(vectors[rows] @ query).topk(min(most, len(rows))).indices]


class Graph:
    """A graph over the rows of an index, kept in one file."""

    def __init__(self, dim: int, path: Path | None = None):
        from usearch.index import Index

        self.index: Any = Index(ndim=dim, metric="cos", dtype="i8")
        if path is not None and path.is_file():
            self.index.load(str(path))

    def __len__(self) -> int:
        return len(self.index)

    def grow(self, vectors: Float[Tensor, "rows dim"]) -> None:
        """Enter the rows that are not in it yet."""
        fresh = vectors[len(self) :]
        self.index.add(torch.arange(len(self), len(vectors)).numpy(), fresh.numpy())

    def search(self, query: Float[Tensor, " dim"], most: int) -> Int[Tensor, " found"]:
        return torch.tensor(self.index.search(query.numpy(), most).keys.astype("int64"))

    def save(self, path: Path) -> None:
        self.index.save(str(path))


def graph_for(vectors: Float[Tensor, "rows dim"], path: Path, above: int = MOST_COMPARED) -> Graph | None:
    """The graph of an index this large, brought up to date and saved; None where all are compared."""
    if len(vectors) <= above or find_spec("usearch") is None:
        return None
    graph = Graph(vectors.shape[1], path)
    if len(graph) < len(vectors):
        graph.grow(vectors)
        graph.save(path)
    return graph
