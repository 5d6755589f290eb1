"""What `inspect` shows, as one HTML file without scripts: rows token by token, and the counts of the whole file.

The colours are those of the terminal; a token's role and number stand in its title. The data is escaped.
"""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from showtell.text.chat import Rendered

STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d1d1f; }
pre { font: 14px/1.9 ui-monospace, monospace; white-space: pre-wrap; background: #f6f6f4; padding: 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem 1.2rem .2rem 0; text-align: left; vertical-align: top; }
.image { color: #8a2be2; font-weight: bold; } .control { color: #9a6a00; } .system { color: #1e50c8; }
.user { color: #00707a; } .assistant { color: #1d6b1d; } .trained { background: #bfe8bf; }
@media (prefers-color-scheme: dark) {
  body { background: #161618; color: #e8e8ea; } pre { background: #232326; } .trained { background: #1f4a24; }
  .image { color: #c79bff; } .control { color: #e0b050; } .system { color: #8db0ff; } .user { color: #5fd3dd; }
  .assistant { color: #8fd88f; } }
"""


def page(title: str, shown: Sequence[tuple[int, "Rendered", list[str]]], counts: dict[str, Any] | None) -> str:
    """The whole file."""
    legend = " ".join(f'<span class="{role}">{role}</span>' for role in ("image", "control", "system", "user"))
    legend += ' <span class="assistant">assistant</span> <span class="assistant trained">trained on</span>'
    body = [f"<h1>{escape(title)}</h1>"]
    if counts is not None:
        body.append(table(counts))
    for number, rendered, texts in shown:
        body.append(f"<h2>Row {number}</h2>\n<pre>{tokens(rendered, texts)}</pre>")
    body.append(f"<p>{legend}</p>")
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def tokens(rendered: "Rendered", texts: Sequence[str]) -> str:
    """Each token a span; a picture is one."""
    starts, written, at = dict(rendered.image_slots), list[str](), 0
    while at < len(rendered.ids):
        role = rendered.roles[at]
        if at in starts:
            written.append(f'<span class="image">▦ picture ({starts[at]} tokens)</span>')
            at += max(1, starts[at])
            continue
        if at and role == "control" != rendered.roles[at - 1]:
            written.append("\n")
        trained = " trained" if rendered.loss_mask[at] else ""
        written.append(
            f'<span class="{role}{trained}" title="{role}, id {rendered.ids[at]}">{escape(texts[at]) or "·"}</span>'
        )
        at += 1
    return "".join(written)


def table(counts: dict[str, Any]) -> str:
    """Counts by name; lists of rows are cut after 20."""
    rows = []
    for name, value in counts.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {number:,}" for key, number in value.items()) or "none"
        elif isinstance(value, list):
            text = f"{len(value):,}" + "".join(f"<br>{escape(line_of(item))}" for item in value[:20])
            rows.append(f"<tr><th>{escape(name.replace('_', ' '))}<td>{text}")
            continue
        else:
            text = f"{value:,}"
        rows.append(f"<tr><th>{escape(name.replace('_', ' '))}<td>{escape(text)}")
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def line_of(item: Any) -> str:
    """A row number, or a row with what is said about it."""
    return f"row {item}" if isinstance(item, int) else f"row {item[0]}: {item[1]}"
