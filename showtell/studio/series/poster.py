"""Posters: a figure as HTML and SVG alone, for readers without JavaScript, for print, and for the first paint.

The same JSON that the live widgets draw (`Scene.to_json`) is drawn here once more, still; pixels become PNG.
"""

import base64
import io
from html import escape
from typing import Any

from PIL import Image

from showtell.studio.series.heat import heat_poster
from showtell.studio.series.points import points_poster

WIDE, HIGH, LEFT, BELOW = 360, 200, 44, 34  # of a plot, in its own units; static/series/lines.js uses the same


def poster(figure: dict[str, Any]) -> str:
    """All widgets of a figure, in the frame the live ones take over."""
    widgets = "".join(
        f'<div class="widget {w["size"]}" data-kind="{w["kind"]}"><h4>{escape(w["title"])}</h4>'
        f"{DRAW[w['kind']](w)}</div>"
        for w in figure["widgets"]
    )
    return f'<div class="widgets">{widgets}</div>'


def raster(widget: dict[str, Any]) -> str:
    picture = _png(widget["rgb"], widget["width"], widget["height"])
    smooth = "" if widget["smooth"] else ' class="sharp"'
    return f'<div class="frame-of"><img src="{picture}" alt="{escape(widget["alt"])}"{smooth}></div>' + _note(widget)


def wall(widget: dict[str, Any]) -> str:
    cells = "".join(
        f'<img class="sharp" src="{_png(one, widget["width"], widget["height"])}" alt="{escape(name)}">'
        for one, name in zip(widget["maps"], widget["names"], strict=True)
    )
    return f'<div class="wall" data-cols="{widget["cols"]}">{cells}</div>'


def bars(widget: dict[str, Any]) -> str:
    rows = zip(widget["names"], widget["texts"], widget["shares"], widget["concepts"], strict=True)
    return '<dl class="bars">' + "".join(_bar(*row) for row in rows) + "</dl>"


def _bar(name: str, text: str, share: float, concept: str) -> str:
    drawn = f'<rect class="{concept}" width="{100 * share:g}" height="10"/>'
    svg = f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
    return f"<div><dt>{escape(name)}</dt><dd>{svg}<span>{escape(text)}</span></dd></div>"


def lines(widget: dict[str, Any]) -> str:
    xs, low, high = widget["xs"], widget["low"], widget["high"]
    span = (xs[-1] - xs[0]) or 1

    def place(x: float, y: float) -> str:
        across = LEFT + (x - xs[0]) / span * (WIDE - LEFT - 8)
        return f"{across:.2f},{(HIGH - BELOW) - (y - low) / (high - low) * (HIGH - BELOW - 10):.2f}"

    curves = "".join(
        f'<polyline class="{one["concept"]}{" dashed" if one["dashed"] else ""}" '
        f'points="{" ".join(place(x, y) for x, y in zip(xs, one["ys"], strict=True))}"/>'
        for one in widget["lines"]
    )
    keys = "".join(f'<li class="{one["concept"]}">{escape(one["name"])}</li>' for one in widget["lines"])
    words = (
        f'<text x="{WIDE - 8}" y="{HIGH - 4}" text-anchor="end">{escape(widget["x_name"])}</text>'
        f'<text x="{LEFT - 6}" y="14" text-anchor="end">{high:g}</text>'
        f'<text x="{LEFT - 6}" y="{HIGH - BELOW}" text-anchor="end">{low:g}</text>'
    )
    svg = f'<svg class="plot" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(widget["title"])}">'
    return f'{svg}{curves}{words}</svg><ul class="keys">{keys}</ul>'


def ribbon(widget: dict[str, Any]) -> str:
    return '<ol class="ribbon">' + "".join(_token(token) for token in widget["tokens"]) + "</ol>" + _note(widget)


def _token(token: dict[str, Any]) -> str:
    count = f" <b>× {token['count']}</b>" if token["count"] > 1 else ""
    return f'<li class="{token["concept"]}">{escape(token["text"])}{count}</li>'


def _note(widget: dict[str, Any]) -> str:
    return f'<p class="note">{escape(widget["note"])}</p>' if widget["note"] else ""


def _png(rgb: str, width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.frombytes("RGB", (width, height), base64.b64decode(rgb)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


DRAW = {
    "raster": raster,
    "wall": wall,
    "bars": bars,
    "lines": lines,
    "ribbon": ribbon,
    "points": points_poster,
    "heat": heat_poster,
}
