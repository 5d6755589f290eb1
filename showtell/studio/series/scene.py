"""Scenes: what a view returns. Each widget is data; the page and the poster only draw it.

    Raster      a picture, a map or a matrix: pixels, perhaps with a grid of cells that can be pointed at
    Wall        many small maps of one grid, one of which is chosen
    Bars        a number a name
    Lines       curves over a shared axis
    Ribbon      a sequence of tokens with roles, perhaps to be put into another order
    Points      places in a plane or on a circle, with arrows and links (`points.py`)

Colours are decided here in Python (`palette.py`), so the live page, the poster without JavaScript and a test see the
same pixels. `Scene.digest` names the numbers that are drawn; the page repeats it once it has drawn them.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import UInt8

Size = Literal["s", "q", "m", "l", "t", "w", "full"]
"""Columns of twelve: 2, 3, 4, 5, 5 over two rows of others, 7, 12."""
Concept = Literal["query", "key", "image", "text", "plain", "warn"]
"""One colour a concept, in every chapter: queries orange, keys blue, image tokens teal, text tokens violet."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Raster:
    """Pixels, drawn without smoothing.

    title: what it is.
    rgb: its pixels.
    alt: what a reader who cannot see it should know.
    grid: (rows, cols) of cells laid over it; None = nothing to point at.
    values: a number a cell, shown under the pointer and in the table.
    labels: a word a cell, shown under the pointer; beside or instead of `values`.
    field: the field of the state that pointing sets.
    gesture: "choose" sets the field to the cell; "swap" exchanges two cells of a permutation; "toggle" adds the cell to
        a set or takes it out; "paint" writes one more than the field `brush` into the cell of a list, or 0 over it.
    selected: the cell that is marked.
    note: a line under it.
    size: how much room it takes.
    smooth: whether the page may smooth it when it enlarges it (photographs, not maps).
    """

    title: str
    rgb: UInt8[np.ndarray, "height width 3"]
    alt: str = ""
    grid: tuple[int, int] | None = None
    values: Sequence[float] | None = None
    labels: Sequence[str] | None = None
    field: str = ""
    gesture: Literal["choose", "swap", "toggle", "paint"] = "choose"
    brush: str = ""
    selected: int | None = None
    note: str = ""
    size: Size = "m"
    smooth: bool = False

    def to_json(self) -> dict[str, Any]:
        height, width = self.rgb.shape[:2]
        return {
            "kind": "raster",
            "title": self.title,
            "width": width,
            "height": height,
            "rgb": base64.b64encode(np.ascontiguousarray(self.rgb).tobytes()).decode(),
            "alt": self.alt or self.title,
            "grid": self.grid,
            "values": None if self.values is None else [significant(v) for v in self.values],
            "labels": None if self.labels is None else list(self.labels),
            "field": self.field,
            "gesture": self.gesture,
            "brush": self.brush,
            "selected": self.selected,
            "note": self.note,
            "size": self.size,
            "smooth": self.smooth,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Wall:
    """Small maps in rows and columns, each a button; `maps[i]` belongs to row i // cols, column i % cols."""

    title: str
    maps: Sequence[UInt8[np.ndarray, "height width 3"]]
    cols: int
    names: Sequence[str]
    values: Sequence[float]
    value_name: str
    field: str
    selected: int
    row_name: str = "row"
    col_name: str = "column"
    size: Size = "m"

    def to_json(self) -> dict[str, Any]:
        height, width = self.maps[0].shape[:2]
        return {
            "kind": "wall",
            "title": self.title,
            "width": width,
            "height": height,
            "maps": [base64.b64encode(np.ascontiguousarray(one).tobytes()).decode() for one in self.maps],
            "cols": self.cols,
            "names": list(self.names),
            "values": [significant(v) for v in self.values],
            "value_name": self.value_name,
            "field": self.field,
            "selected": self.selected,
            "row_name": self.row_name,
            "col_name": self.col_name,
            "size": self.size,
        }


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars from zero. `texts` replace the printed numbers; `top` fixes the scale; `mark` draws a line."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    texts: Sequence[str] = ()
    unit: str = ""
    top: float | None = None
    mark: float | None = None
    mark_name: str = ""
    concepts: Sequence[Concept] = ()
    size: Size = "m"

    def to_json(self) -> dict[str, Any]:
        values = [significant(v) for v in self.values]
        top = self.top if self.top is not None else max([abs(v) for v in values] + [1e-12])
        return {
            "kind": "bars",
            "title": self.title,
            "names": list(self.names),
            "values": values,
            "texts": list(self.texts) or [f"{v:,.4g}{self.unit}" for v in values],
            "shares": [round(min(max(v / top, 0.0), 1.0), 4) for v in values],
            "mark": None if self.mark is None else round(min(self.mark / top, 1.0), 4),
            "mark_name": self.mark_name,
            "concepts": list(self.concepts) or ["plain"] * len(values),
            "size": self.size,
        }


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of `Lines`, a number at each x."""

    name: str
    ys: Sequence[float]
    concept: Concept = "plain"
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Curves over shared xs; `at` marks the x of the present state, `mark` one more x, which `mark_name` explains.

    `ticks` are names of the xs, in place of their numbers.
    """

    title: str
    xs: Sequence[float]
    lines: Sequence[Line]
    x_name: str
    y_name: str
    at: float | None = None
    mark: float | None = None
    mark_name: str = ""
    low: float | None = None
    high: float | None = None
    ticks: Sequence[str] = ()
    size: Size = "m"

    def to_json(self) -> dict[str, Any]:
        every = [y for line in self.lines for y in line.ys]
        low = min(every) if self.low is None else self.low
        high = max(every) if self.high is None else self.high
        return {
            "kind": "lines",
            "title": self.title,
            "xs": [significant(x) for x in self.xs],
            "lines": [
                {"name": one.name, "ys": [significant(y) for y in one.ys], "concept": one.concept, "dashed": one.dashed}
                for one in self.lines
            ],
            "x_name": self.x_name,
            "y_name": self.y_name,
            "at": None if self.at is None else significant(self.at),
            "mark": None if self.mark is None else significant(self.mark),
            "mark_name": self.mark_name,
            "low": significant(low),
            "high": significant(high if high > low else low + 1.0),
            "ticks": list(self.ticks),
            "size": self.size,
        }


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token of a ribbon, or a run of `count` alike."""

    text: str
    concept: Concept
    note: str = ""
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Ribbon:
    """A sequence, left to right, in order.

    field: a permutation of the tokens, in the state, that exchanging two of them changes; "" = nothing moves.
    """

    title: str
    tokens: Sequence[Token]
    note: str = ""
    field: str = ""
    size: Size = "full"

    def to_json(self) -> dict[str, Any]:
        tokens = [{"text": t.text, "concept": t.concept, "note": t.note, "count": t.count} for t in self.tokens]
        return {"kind": "ribbon", "title": self.title, "tokens": tokens, "note": self.note} | {
            "field": self.field,
            "selected": None,
            "size": self.size,
        }


class Widget(Protocol):
    """What a scene needs of a widget: its data with `kind`, `title` and `size`."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Widgets in reading order.

    says: one or two sentences on what is to be seen *now*, made from the numbers.
    facts: (name, value) pairs printed beside the figure.
    """

    widgets: tuple[Widget, ...]
    says: str
    facts: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "widgets": [widget.to_json() for widget in self.widgets],
            "says": self.says,
            "facts": [list(fact) for fact in self.facts],
        }
        return body | {"digest": digest(body)}


def digest(body: dict[str, Any]) -> str:
    """A name for exactly these numbers."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def significant(value: float, digits: int = 5) -> float:
    """Rounded to what a reader could use; -0.0 becomes 0.0, so that equal pictures have equal names."""
    return float(f"{float(value):.{digits}g}") + 0.0
