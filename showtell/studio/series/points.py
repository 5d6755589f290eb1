"""Points: places in a plane or on a circle, drawn the same live (`static/series/points.js`) and as a poster.

    places (x, y) --> view box of SIDE units, [-reach, reach] both ways, y upwards

Points may be turned around a circle (each sets its entry in a list of angles) or chosen (the field is the index).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from showtell.studio.series.scene import Concept, Size, significant

SIDE = 320  # of the view box; static/series/points.js uses the same


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """From point `start` by (dx, dy)."""

    start: int
    dx: float
    dy: float
    concept: Concept = "plain"


@dataclass(frozen=True, kw_only=True)
class Points:
    """Named points.

    places: (x, y) of each.
    names: what each is, read out under the pointer.
    marks: a letter or two inside each; "" = a small dot without any.
    hollow: points drawn as rings.
    links: pairs of points joined by a thin line.
    circle: whether the unit circle is drawn.
    reach: the plane shown is [-reach, reach] both ways; None = as far as the points go.
    field: the field of the state that the points set; "" = none.
    gesture: "turn" moves point i around the circle and sets entry i of a list of angles; "choose" sets the field to
        the index of a point.
    movable: points that can be turned, in the order of the list; None = all.
    selected: a point that is marked.
    """

    title: str
    places: Sequence[tuple[float, float]]
    names: Sequence[str]
    concepts: Sequence[Concept]
    marks: Sequence[str] = ()
    hollow: Sequence[int] = ()
    links: Sequence[tuple[int, int]] = ()
    arrows: Sequence[Arrow] = ()
    circle: bool = False
    reach: float | None = None
    field: str = ""
    gesture: Literal["turn", "choose"] = "choose"
    movable: Sequence[int] | None = None
    selected: int | None = None
    note: str = ""
    size: Size = "m"

    def to_json(self) -> dict[str, Any]:
        far = max((max(abs(x), abs(y)) for x, y in self.places), default=1.0)
        return {
            "kind": "points",
            "title": self.title,
            "places": [[significant(x), significant(y)] for x, y in self.places],
            "names": list(self.names),
            "concepts": list(self.concepts),
            "marks": list(self.marks) or [""] * len(self.places),
            "hollow": list(self.hollow),
            "links": [list(link) for link in self.links],
            "arrows": [[a.start, significant(a.dx), significant(a.dy), a.concept] for a in self.arrows],
            "circle": self.circle,
            "reach": significant(1.12 * far if self.reach is None else self.reach),
            "field": self.field,
            "gesture": self.gesture,
            "movable": list(range(len(self.places)) if self.movable is None else self.movable),
            "selected": self.selected,
            "note": self.note,
            "size": self.size,
        }


def points_poster(widget: dict[str, Any]) -> str:
    """The same, still."""
    scale = SIDE / 2 / widget["reach"]

    def at(x: float, y: float) -> tuple[float, float]:
        return round(SIDE / 2 + scale * x, 2), round(SIDE / 2 - scale * y, 2)

    places = [at(x, y) for x, y in widget["places"]]
    parts = [f'<circle class="ring" cx="160" cy="160" r="{scale:.2f}"/>'] if widget["circle"] else []
    for one, other in widget["links"]:
        (x1, y1), (x2, y2) = places[one], places[other]
        parts.append(f'<line class="link" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for start, dx, dy, concept in widget["arrows"]:
        (x1, y1), (x, y) = places[start], widget["places"][start]
        x2, y2 = at(x + dx, y + dy)
        parts.append(f'<line class="arrow {concept}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for i, (x, y) in enumerate(places):
        kind = f"{widget['concepts'][i]}{' hollow' if i in widget['hollow'] else ''}"
        radius = 10 if widget["marks"][i] else 3.5
        parts.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"/>')
        if widget["marks"][i]:
            parts.append(f'<text x="{x}" y="{y + 4}" text-anchor="middle">{escape(widget["marks"][i])}</text>')
    note = f'<p class="note">{escape(widget["note"])}</p>' if widget["note"] else ""
    title = escape(widget["title"])
    return (
        f'<svg class="points" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{title}">{"".join(parts)}</svg>{note}'
    )
