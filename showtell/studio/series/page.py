"""The HTML around chapters, single figures, source files and the contents of the series."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from showtell.studio.series.chapter import Chapter
from showtell.studio.series.demo import Demo
from showtell.studio.series.highlight import numbered


@dataclass(frozen=True)
class Part:
    """One of the eight parts: its number, name and the folder of the library that does what it teaches."""

    number: int
    title: str
    folder: str
    about: str


ARTICLES = Path(__file__).parents[1] / "articles"
WRITTEN = frozenset(int(path.name[:2]) for path in ARTICLES.glob("[0-9]*.md"))
PARTS = (
    Part(
        1, "Vision foundations", "images", "Light, sampling, frequencies, convolution: what a picture is to a machine."
    ),
    Part(2, "Vision transformers", "vision", "Patches, positions, attention: pictures as sequences."),
    Part(3, "Contrastive learning and CLIP", "contrastive", "Pictures and words in one space."),
    Part(4, "Multimodal fusion", "fusion", "How image tokens enter a language model."),
    Part(5, "Visual instruction tuning", "instruct", "From a classifier to a conversation."),
    Part(6, "Training and scaling", "training", "Data, compute, and what more of each buys."),
    Part(7, "Grounding and space", "grounding", "Boxes, points, regions, relations."),
    Part(8, "Applications", "applications", "Documents, charts, video, interfaces."),
)


FONT = "/static/fonts/source-serif-4-latin-wght-normal.woff2"


def frame(title: str, body: str, *, kind: str, model: str, part: int | None = None) -> str:
    """A whole page."""
    return f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{escape(title)} · showtell</title>
  <link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
  <link rel="preload" href="{FONT}" as="font" type="font/woff2" crossorigin>
  <link rel="stylesheet" href="/static/style.css">
  <link rel="stylesheet" href="/static/series/series.css">
  <script src="/static/theme.js"></script>
  <script type="module" src="/static/series/live.js"></script>
</head>
<body class="{kind}">
  <a class="skip" href="#text">To the text</a>
  <header class="masthead">
    <a class="wordmark" href="/series">showtell</a>
    <nav aria-label="The series">{_nav(part)}</nav>
    <p class="model" id="model">{escape(model)}</p>
    <button class="quiet" id="theme" type="button">Dark</button>
  </header>
  {body}
</body>
</html>
"""


def _nav(part: int | None) -> str:
    links = "".join(_link(one, one.number == part) for one in PARTS)
    return f'<a href="/">Playground</a><span class="parts">{links}</span>'


def _link(one: Part, current: bool) -> str:
    if one.number not in WRITTEN:
        return f'<span class="unwritten" title="{escape(one.title)}, not written yet">{one.number}</span>'
    here = " aria-current=page" if current else ""
    return f'<a href="/part/{one.number}" title="{escape(one.title)}"{here}>{one.number}</a>'


def chapter_page(part: Part, chapter: Chapter, html: str, demos: Sequence[Demo[Any]], model: str) -> str:
    """A chapter with its figures filled in."""
    entries = "".join(f'<li><a href="#{h.anchor}">{h.text}</a></li>' for h in chapter.contents)
    figures = "".join(
        f'<li><a href="#{demo.name}"><span class="mono">{demo.number}</span> {escape(demo.title)}</a></li>'
        for demo in demos
    )
    body = (
        f'<div class="chapter"><nav class="contents" aria-label="Contents of this chapter"><ol>{entries}</ol>'
        f'<p>Figures</p><ol class="figures">{figures}</ol></nav>'
        f'<main id="text"><header class="opening"><p class="place">Part {part.number}</p>'
        f"<h1>{escape(chapter.title)}</h1>"
        f'<p class="about">About {chapter.minutes} minutes with its {_count(len(demos), "live figure")} and exercises. '
        f'The code of this part is in <span class="mono">showtell/{part.folder}/</span>.</p></header>'
        f"{html}{_turn(part)}</main></div>"
    )
    return frame(chapter.title, body, kind="series", model=model, part=part.number)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _turn(part: Part) -> str:
    following = [one for one in PARTS if one.number > part.number and one.number in WRITTEN][:1]
    links = "".join(f'<a href="/part/{one.number}">Part {one.number}: {escape(one.title)}</a>' for one in following)
    return f'<footer class="turn-page"><a href="/series">All parts</a>{links}</footer>'


def contents_page(written: dict[int, Chapter], demos: Sequence[Demo[Any]], model: str) -> str:
    """The contents of the series."""
    rows = []
    for part in PARTS:
        chapter = written.get(part.number)
        mine = [demo for demo in demos if demo.number.startswith(f"{part.number}.")]
        figures = "".join(
            f'<li><a href="{"/part/" + str(part.number) + "#" if chapter else "/figure/"}{demo.name}">'
            f'<span class="mono">{demo.number}</span> {escape(demo.title)}</a></li>'
            for demo in mine
        )
        title = f'<a href="/part/{part.number}">{escape(part.title)}</a>' if chapter else escape(part.title)
        state = f"about {chapter.minutes} minutes" if chapter else "not written yet"
        rows.append(
            f'<li{"" if chapter or mine else " class=unwritten"}><p class="place">Part {part.number} · {state}</p>'
            f'<h2>{title}</h2><p>{escape(part.about)}</p><ol class="figures">{figures}</ol></li>'
        )
    body = (
        '<main id="text" class="all-parts"><header class="opening"><h1>How a machine reads a picture</h1>'
        '<p class="about">Eight parts, from light to conversation. Every figure runs the library you can read beside '
        "it, on the model you loaded; every claim under a figure is checked by a test. Or go and "
        f'<a href="/">ask a picture</a>.</p></header><ol class="list-of-parts">{"".join(rows)}</ol></main>'
    )
    return frame("The series", body, kind="series", model=model)


def figure_page(demo: Demo[Any], html: str, model: str) -> str:
    """One figure alone."""
    heads = f'<h1 class="unseen">{escape(demo.title)}</h1><h2 class="unseen">The figure</h2>'
    body = f'<main id="text" class="alone">{heads}{html}</main>'
    return frame(demo.title, body, kind="series", model=model, part=int(demo.number.split(".")[0]))


def source_page(module: str, text: str, model: str) -> str:
    """A file of the library."""
    path = module.replace(".", "/") + ".py"
    body = (
        f'<main id="text" class="source"><h1 class="mono">{escape(path)}</h1>'
        f'<pre tabindex="0"><code>{numbered(text)}</code></pre></main>'
    )
    return frame(path, body, kind="series", model=model)


def message_page(sentence: str, model: str) -> str:
    """What is said where there is no page."""
    body = (
        f'<main id="text" class="alone"><p class="refusal" role="alert">{escape(sentence)}</p>'
        '<p><a href="/series">All parts</a></p></main>'
    )
    return frame("Not here", body, kind="series", model=model)
