"""A figure as it stands in a chapter: its words, its poster, its controls as data, and the drawer with its source.

JavaScript (static/series/live.js) takes over inside `.stage-of`; everything else is plain HTML and stays. Without
JavaScript every control is a field of an ordinary form, and "Show" loads the page with that state.
"""

import json
from html import escape
from typing import Any

from showtell.studio.series.bounds import Bound, bounds_of, write_state
from showtell.studio.series.demo import Demo
from showtell.studio.series.highlight import highlight
from showtell.studio.series.poster import poster
from showtell.studio.series.source import Excerpt, excerpts


def figure_html(demo: Demo[Any], figure: dict[str, Any] | None, refusal: str = "") -> str:
    """The figure of a demo in a state; without one (`figure` is None) only the refusal is shown."""
    controls = [{"name": n, "label": b.label} | b.control() for n, b in bounds_of(demo.state_type).items()]
    body = "" if figure is None else _body(demo, figure)
    data = "" if figure is None else json.dumps(figure["state"])
    return (
        f'<figure class="demo" id="{demo.name}" data-demo="{demo.name}" data-state="{escape(data)}" '
        f'data-defaults="{escape(json.dumps(write_state(demo.default())))}" '
        f'data-controls="{escape(json.dumps(controls))}" aria-labelledby="{demo.name}-title">'
        f'<header><p class="place">Figure {demo.number}</p><h3 id="{demo.name}-title">{escape(demo.title)}</h3>'
        f'<p class="lede">{escape(demo.lede)}</p></header>'
        f'<p class="refusal" role="alert"{"" if refusal else " hidden"}>{escape(refusal)}</p>'
        f"{body}"
        f'<figcaption><p class="claim"><span>Claim, checked by the tests:</span> {escape(demo.claim)}</p></figcaption>'
        f"{drawer(demo)}</figure>"
    )


def _body(demo: Demo[Any], figure: dict[str, Any]) -> str:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figure["facts"])
    return (
        f'<div class="controls">{_form(demo, figure["state"])}</div>'
        f'<div class="stage-of">{poster(figure)}</div>'
        f'<p class="says" aria-live="polite">{escape(figure["says"])}</p>'
        f'<dl class="facts">{facts}</dl>'
        f'<p class="provenance mono">computed by <span class="by">{escape(figure["computed_by"])}</span> — '
        f'<span class="ms">{figure["elapsed_ms"]:g} ms</span></p>'
    )


def _form(demo: Demo[Any], state: dict[str, str]) -> str:
    """The controls without JavaScript."""
    rows = "".join(_field(demo, name, bound, state[name]) for name, bound in bounds_of(demo.state_type).items())
    show = '<button type="submit">Show</button>'
    return f'<noscript><form action="#{demo.name}" method="get">{rows}{show}</form></noscript>'


def _field(demo: Demo[Any], name: str, bound: Bound, text: str) -> str:
    what, key = bound.control(), f"{demo.name}.{name}"
    if what["kind"] == "choice":
        options = "".join(
            f'<option value="{escape(value)}"{" selected" if value == text else ""}>{escape(label)}</option>'
            for value, label in what["options"]
        )
        return f'<label>{escape(bound.label)} <select name="{key}">{options}</select></label>'
    return f'<label>{escape(bound.label)} <input name="{key}" value="{escape(text)}"></label>'


def drawer(demo: Demo[Any]) -> str:
    own, library = excerpts(type(demo))
    return (
        '<details class="drawer"><summary>The Python of this figure</summary>'
        + "".join(_code(one) for one in own)
        + (f"<p>It calls, in the library:</p>{''.join(_code(one, folded=True) for one in library)}" if library else "")
        + "</details>"
    )


def _code(one: Excerpt, folded: bool = False) -> str:
    link = f'<a class="mono" href="/source/{one.module}#L{one.line}">{escape(one.name.removeprefix("showtell."))}</a>'
    code = f'<pre tabindex="0"><code>{highlight(one.text)}</code></pre>'
    if folded:
        return f"<details><summary>{link}</summary>{code}</details>"
    return f"<p>{link}</p>{code}"
