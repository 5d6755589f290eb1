"""The series as plain files, for any web server: `showtell export DIR`.

    index.html  part-2.html  figure-atlas.html  source-showtell.core.attention.html     every link relative
    static/                  styles, fonts and the same widgets, unchanged
    figures/NAME/KEY.json    recorded states; KEY names the fields that differ from the default: labels-8+wrong-20

Nothing computes there. A figure answers for the states that were recorded and says so of the others; every page and
every figure says that it is a recording, and of which model. At the end each link of each page is followed. Not here:
the live site (`site.py`) and what a figure is (`figure.py`); both are used as they are.
"""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import anyio

from showtell.core.errors import ConfigError, ShowtellError
from showtell.studio.demos.catalogue import BY_NAME, DEMOS
from showtell.studio.series import page
from showtell.studio.series.bounds import Bound, OneOf, Stepped, Switch, bounds_of, write_state
from showtell.studio.series.chapter import MARK, Chapter, build
from showtell.studio.series.demo import Demo
from showtell.studio.series.figure import figure_html
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.numbers import numbers
from showtell.studio.series.runner import Runner
from showtell.studio.series.source import module_source
from showtell.studio.series.tools import Tools, Unavailable

STATIC = Path(__file__).parents[1] / "static"
SHIPPED = ("series", "fonts", "style.css", "theme.js", "theme_switch.js", "dom.js", "favicon.svg")
MANIFEST = "showtell-export.json"
KEY = re.compile(r"[\w.+-]{1,120}")
MOST_STEPS = 24  # of one slider, evenly spaced
MOST_TOGETHER = 24  # choices and switches are recorded in every combination, as long as there are no more
ROUTES = (
    (r"/series", "index.html"),
    (r"/part/(\d+)", r"part-\1.html"),
    (r"/figure/([a-z-]+)", r"figure-\1.html"),
    (r"/source/([\w.]+)", r"source-\1.html"),
    (r"/(static/[\w./-]+)", r"\1"),
)


class ExportError(ShowtellError):
    """A page of the export links to something that is not there."""


@dataclass(frozen=True)
class Exported:
    """What was written: pages, recorded states, links followed, bytes."""

    pages: int
    states: int
    links: int
    megabytes: float


def export(folder: Path, tools: Tools, states: int, tell: Callable[[str], None] = lambda _: None) -> Exported:
    """Write the whole series to `folder`.

    Args:
        states: at most so many recorded states a figure, the default among them.
        tell: called with the name of each figure before it is recorded.

    Raises ConfigError for a folder that holds something else, ExportError for a link that leads nowhere.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ConfigError(f"{folder} is not empty and no earlier export; name a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "static").mkdir(parents=True)
    (folder / MANIFEST).write_text("{}\n", encoding="utf-8")  # so that one that was broken off can be begun again
    for name in SHIPPED:
        copy = shutil.copytree if (STATIC / name).is_dir() else shutil.copyfile
        copy(STATIC / name, folder / "static" / name)
    figures, count = {}, 0
    for demo in DEMOS:
        tell(f"{demo.number} {demo.title}")
        figures[demo.name], recorded = record(demo, tools, folder / "figures" / demo.name, states)
        count += recorded
    pages = write_pages(folder, figures, tools)
    links = follow_links(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    manifest = {"model": tools.model_name, "figures": len(DEMOS), "states": count}
    (folder / MANIFEST).write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    return Exported(pages, count, links, size / 1e6)


def record(demo: Demo[Any], tools: Tools, folder: Path, most: int) -> tuple[str, int]:
    """(HTML of the figure in its default state, number of states written)."""
    runner = Runner(tools, anyio.Lock())
    folder.mkdir(parents=True)
    try:
        first = runner.compute(demo, demo.default())
    except Unavailable as error:
        return figure_html(demo, None, str(error)), 0
    html = figure_html(demo, labelled(first))
    written = 0
    for state in itertools.islice(worth_recording(demo, first), most):
        figure = labelled(first if state == demo.default() else runner.compute(demo, state))
        (folder / f"{key_of(demo, state)}.json").write_text(json.dumps(figure), encoding="utf-8")
        written += 1
    return html, written


def labelled(figure: dict[str, Any]) -> dict[str, Any]:
    return figure | {"computed_by": f"{figure['computed_by']} (recorded)"}


def worth_recording(demo: Demo[Any], first: dict[str, Any]) -> Iterator[Any]:
    """The default; choices and switches in every combination; then each other field moved by itself."""
    bounds, default = bounds_of(demo.state_type), demo.default()
    seen = set()
    chosen = {name: bound.examples() for name, bound in bounds.items() if isinstance(bound, OneOf | Switch)}
    together = list(itertools.product(*chosen.values()))
    combined = [dict(zip(chosen, values, strict=True)) for values in together[: MOST_TOGETHER + 1]]
    ordered = sorted(
        bounds.items(), key=lambda item: item[0] not in chosen
    )  # what a reader clicks before what is dragged
    alone = [{name: value} for name, bound in ordered for value in values_of(name, bound, first)]
    for fields in itertools.chain([{}], combined if len(together) <= MOST_TOGETHER else [], alone):
        state = type(default)(**{name: fields.get(name, getattr(default, name)) for name in bounds})
        if state not in seen and KEY.fullmatch(key_of(demo, state)):
            seen.add(state)
            yield state


def values_of(name: str, bound: Bound, first: dict[str, Any]) -> Iterator[Any]:
    """Values of a field worth recording: steps of a slider, every cell there is, else the bound's examples."""
    if isinstance(bound, Stepped):
        yield from (bound.at(index) for index in range(0, bound.count, -(-bound.count // MOST_STEPS)))
    elif isinstance(bound, Cell):
        pointed = [widget for widget in first["widgets"] if widget.get("field") == name]
        cells = max((len(w.get("values") or w.get("labels") or w.get("maps") or ()) for w in pointed), default=1)
        yield from range(min(cells, bound.count))
    else:
        yield from bound.examples()


def key_of(demo: Demo[Any], state: Any) -> str:
    """The name of a state: its fields that differ from the default; static/series/live.js writes the same."""
    own, default = write_state(state), write_state(demo.default())
    return "+".join(f"{name}-{text}" for name, text in own.items() if text != default[name]) or "default"


def write_pages(folder: Path, figures: dict[str, str], tools: Tools) -> int:
    """Contents, chapters, single figures, and every source that any of them links to."""
    chapters: dict[int, Chapter] = {}
    for path in sorted(page.ARTICLES.glob("[0-9]*.md")):
        chapters[int(path.name.split("-")[0])] = build(path.read_text(encoding="utf-8"), numbers(tools))
    model = tools.model_name
    pages = {"index.html": page.contents_page(chapters, DEMOS, model)}
    for number, chapter in chapters.items():
        html = MARK.sub(lambda found: figures[found[1]], chapter.html)
        demos = [BY_NAME[name] for name in chapter.demos]
        pages[f"part-{number}.html"] = page.chapter_page(page.PARTS[number - 1], chapter, html, demos, model)
    for demo in DEMOS:
        pages[f"figure-{demo.name}.html"] = page.figure_page(demo, figures[demo.name], model)
    modules = sorted({found for html in pages.values() for found in re.findall(r'href="/source/([\w.]+)', html)})
    for module in modules:
        pages[f"source-{module}.html"] = page.source_page(module, module_source(module), model)
    for name, html in pages.items():
        (folder / name).write_text(standing(html, model), encoding="utf-8")
    return len(pages)


def standing(html: str, model: str) -> str:
    """A page of the live site as a plain file: relative links, no forms, no playground, and a label."""
    html = re.sub(r"<noscript>.*?</noscript>", "", html, flags=re.DOTALL)
    html = html.replace('<a href="/">Playground</a>', "")
    html = re.sub(r' Or go and <a href="/">ask a picture</a>\.', "", html)
    html = html.replace('<html lang="en">', '<html lang="en" data-recorded>')
    label = (
        f'<p class="recording">A recording: every figure was computed by showtell on the model {escape(model)} and '
        "stored. The studio computes any state, on your machine.</p>"
    )
    html = html.replace("</header>\n", f"</header>\n  {label}\n", 1)
    for route, file in ROUTES:
        html = re.sub(rf'(href|src)="{route}(#[^"]*)?"', partial(relative, file), html)
    return html


def relative(file: str, found: re.Match[str]) -> str:
    groups = found.groups()
    return f'{groups[0]}="{file.replace(chr(92) + "1", groups[1] or "")}{groups[-1] or ""}"'


def follow_links(folder: Path) -> int:
    """Every href and src of every page leads to a file, and to an id in it; returns how many there are."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    ids = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in texts.items()}
    links = 0
    for name, text in texts.items():
        for target in set(re.findall(r'\b(?:href|src)="([^"]*)"', text)):
            if target.startswith("data:"):
                continue
            links += 1
            file, _, anchor = target.partition("#")
            file = file or name
            if not (folder / file).is_file() or (anchor and file in ids and anchor not in ids[file]):
                raise ExportError(f"{name} links to {target!r}, and there is no such place in the export")
    return links
