"""Heat: a table of numbers or words with named rows and columns, each cell in a colour, perhaps one of them chosen.

                what  color  is
    layer 1      .      .    .        a click or an arrow key sets `field` to row * cols + column
    layer 2      .      #    .

Raster draws pixels; this draws cells that a reader looks up by name: confusions, layers by places, words over patches.
Its measures are computed here, so that the live table and the poster without JavaScript are the same drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from showtell.images.colour import to_linear
from showtell.studio.series.scene import Size, significant

UNITS: dict[str, int] = {"s": 150, "q": 230, "m": 310, "l": 400, "t": 400, "w": 560, "full": 960}
"""Width of the drawing, by how much room it takes; one unit is about one pixel on a desk."""
LETTER, LINE = 6.7, 22  # units a letter; least height of a cell
DARK = 0.179  # luminance below which white ink has the greater contrast


@dataclass(frozen=True, eq=False, kw_only=True)
class Heat:
    """A coloured table.

    rgb: colour of each cell.
    rows, cols: their names.
    names: whether those are drawn; without, they are only read out.
    values: a number a cell, under the pointer and in the table for screen readers.
    texts: what is printed in each cell.
    field, selected: the field of the state that choosing a cell sets, and the chosen cell.
    square: cells as high as they are wide.
    """

    title: str
    rgb: UInt8[np.ndarray, "rows cols 3"]
    rows: Sequence[str]
    cols: Sequence[str]
    values: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    field: str = ""
    selected: int | None = None
    note: str = ""
    size: Size = "m"
    square: bool = False
    names: bool = True

    def to_json(self) -> dict[str, Any]:
        count, across = self.rgb.shape[:2]
        luminance = to_linear(torch.from_numpy(self.rgb.astype(float) / 255)).numpy() @ (0.2126, 0.7152, 0.0722)
        return {
            "kind": "heat",
            "title": self.title,
            "rows": list(self.rows),
            "cols": list(self.cols),
            "colors": ["#" + bytes(cell).hex() for cell in self.rgb.reshape(-1, 3)],
            "light": [bool(one < DARK) for one in luminance.flatten()],
            "values": None if self.values is None else [significant(v) for v in self.values],
            "texts": None if self.texts is None else list(self.texts),
            "field": self.field,
            "selected": self.selected,
            "note": self.note,
            "size": self.size,
            "named": self.names,
            **measures(*((self.rows, self.cols) if self.names else ((), ())), count, across, self.size, self.square),
        }


def measures(
    rows: Sequence[str], cols: Sequence[str], count: int, across: int, size: str, square: bool
) -> dict[str, Any]:
    """Where cells begin and how large they are, in units; `turned`: the names of the columns stand upright."""
    width = UNITS[size]
    left = round(max((len(name) for name in rows), default=0) * LETTER + 8) if any(rows) else 1
    cell = (width - left - 1) / across
    longest = max((len(name) for name in cols), default=0)
    turned = longest * LETTER > cell - 2
    top = 1 if not longest else round(longest * LETTER + 8) if turned else 18
    high = cell if square else max(LINE, min(cell, 30))
    return {
        "width": width,
        "height": round(top + count * high + 1, 2),
        "left": left,
        "top": top,
        "cell": [round(cell, 3), round(high, 3)],
        "turned": turned,
    }


def heat_poster(widget: dict[str, Any]) -> str:
    """The table as SVG alone."""
    wide, high = widget["cell"]
    left, top, across = widget["left"], widget["top"], len(widget["colors"]) // max(len(widget["rows"]), 1)
    rows, cols = (widget["rows"], widget["cols"]) if widget["named"] else ((), ())
    drawn = [
        f'<text x="{left - 6}" y="{top + (i + 0.5) * high + 4:.2f}" text-anchor="end">{escape(name)}</text>'
        for i, name in enumerate(rows)
    ]
    drawn += [_column(name, left + (i + 0.5) * wide, top, widget["turned"]) for i, name in enumerate(cols)]
    for number, color in enumerate(widget["colors"]):
        x, y = left + number % across * wide, top + number // across * high
        drawn.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide - 1:.2f}" height="{high - 1:.2f}" fill="{color}"/>')
        if widget["texts"] is not None:
            ink = "light" if widget["light"][number] else "dark"
            drawn.append(
                f'<text class="{ink}" x="{x + wide / 2:.2f}" y="{y + high / 2 + 4:.2f}" text-anchor="middle">'
                f"{escape(widget['texts'][number])}</text>"
            )
    svg = f'<svg class="heat" viewBox="0 0 {widget["width"]} {widget["height"]}" role="img" '
    note = f'<p class="note">{escape(widget["note"])}</p>' if widget["note"] else ""
    return f'<div class="heat-frame">{svg}aria-label="{escape(widget["title"])}">{"".join(drawn)}</svg></div>{note}'


def _column(name: str, x: float, top: float, turned: bool) -> str:
    if turned:
        return f'<text transform="translate({x + 4:.2f} {top - 6}) rotate(-90)">{escape(name)}</text>'
    return f'<text x="{x:.2f}" y="{top - 6}" text-anchor="middle">{escape(name)}</text>'
