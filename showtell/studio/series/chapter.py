"""Chapters: Markdown in, HTML out, held to the library while it is built.

    {{name}}                     a number, computed now by `numbers.py`; an unknown name fails the build
    $...$, ```maths              formulas, drawn as MathML (`maths.py`)
    ```demo NAME                 a figure goes here
    ```python MODULE             code quoted from a file of the library: it must stand there, line for line
    ```source MODULE.NAME        code taken from the library as it is
    ```aside, ```myth            a side note; a common misconception (its first line) and the answer to it
    ```exercise NUMBER           a question, and after a line `---` its answer, folded

Figures are left as marks (`<!--demo:NAME-->`), because a figure depends on the state in the reader's URL.
"""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from showtell.studio.limits import RequestError
from showtell.studio.series.highlight import highlight
from showtell.studio.series.maths import maths
from showtell.studio.series.source import excerpt, module_source

WORDS_A_MINUTE = 200
MINUTES_EACH = {"demo": 2.5, "exercise": 1.5, "python": 0.5, "source": 0.5, "maths": 0.4}
MARK = re.compile(r"<!--demo:([a-z0-9-]+)-->")


class ChapterError(ValueError):
    """A chapter says something that the library does not."""


@dataclass(frozen=True)
class Heading:
    """An entry of the contents."""

    anchor: str
    text: str


@dataclass(frozen=True)
class Chapter:
    """A chapter ready to be shown: `html` with marks where figures go."""

    title: str
    html: str
    contents: tuple[Heading, ...]
    demos: tuple[str, ...]
    minutes: int


@dataclass
class _Writer:
    """What one build collects, and how the special fences are written."""

    numbers: Mapping[str, Callable[[], str]]
    demos: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.markdown = MarkdownIt("commonmark", {"html": False, "typographer": True})
        self.markdown.enable(["table", "smartquotes"])
        self.markdown.inline.ruler.before("escape", "maths", _inline_maths)
        rules: dict[str, Any] = vars(self.markdown.renderer)["rules"]
        rules |= {"maths": _render_maths, "fence": self.fence}

    def render(self, text: str) -> str:
        return str(self.markdown.render(text))

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        words, body = tokens[index].info.split(), tokens[index].content
        kind, argument = [*words, "", ""][:2]
        if kind == "demo":
            self.demos.append(argument)
            return f"<!--demo:{argument}-->\n"
        if kind == "maths":
            drawn = maths(body.strip(), display=True)
            return f'<div class="formula" tabindex="0" role="group" aria-label="formula">{drawn}</div>\n'
        if kind == "aside":
            return f'<div class="note-beside" role="note">{self.render(body)}</div>\n'
        if kind == "myth":
            myth, _, answer = body.partition("\n")
            return f'<section class="myth"><p class="said">{escape(myth)}</p>{self.render(answer)}</section>\n'
        if kind == "exercise":
            question, _, answer = body.partition("\n---\n")
            return (
                f'<section class="exercise"><p class="place">Exercise {escape(argument)}</p>{self.render(question)}'
                f"<details><summary>An answer</summary>{self.render(answer)}</details></section>\n"
            )
        if kind == "source":
            return _listing(*_taken(argument))
        if kind == "python" and argument:
            return _listing(argument, quoted_line(body, argument), textwrap.dedent(body).rstrip())
        return f'<pre tabindex="0"><code>{highlight(body) if kind == "python" else escape(body)}</code></pre>\n'


def build(text: str, numbers: Mapping[str, Callable[[], str]]) -> Chapter:
    """Build a chapter.

    Raises ChapterError when it quotes what is not there, or names a number that is not computed; ValueError when a
    formula cannot be drawn.
    """
    writer = _Writer(numbers)
    html = writer.render(_with_numbers(text, numbers))
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    if title is None:
        raise ChapterError("a chapter begins with a line '# Title'")
    contents: list[Heading] = []

    def anchored(found: re.Match[str]) -> str:
        plain = re.sub(r"<[^>]+>", "", found[1])
        anchor = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
        contents.append(Heading(anchor, plain))
        return f'<h2 id="{anchor}">{found[1]}</h2>'

    html = re.sub(r"<h2>(.+?)</h2>", anchored, html)
    html = re.sub(r"<h1>.+?</h1>\n?", "", html, count=1)
    html = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", html)  # a corner heads nothing
    html = html.replace("<table>", '<div class="wide-table" tabindex="0"><table>').replace("</table>", "</table></div>")
    return Chapter(title[1], html, tuple(contents), tuple(writer.demos), minutes(text))


def minutes(text: str) -> int:
    """Time for the prose at a reader's pace, and some for each figure, exercise, listing and formula."""
    prose = re.sub(r"```(?!aside|myth)\w*[^\n]*\n.*?```", " ", text, flags=re.DOTALL)
    kinds = re.findall(r"^```(\w+)", text, re.MULTILINE)
    rest = sum(MINUTES_EACH.get(kind, 0.0) for kind in kinds)
    return max(1, round(len(prose.split()) / WORDS_A_MINUTE + rest))


def _with_numbers(text: str, numbers: Mapping[str, Callable[[], str]]) -> str:
    def number(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in numbers:
            raise ChapterError(f"the number {{{{{name}}}}} is computed by nobody; add it to numbers.py")
        return numbers[name]()

    return re.sub(r"\{\{(.+?)\}\}", number, text)


def quoted_line(body: str, module: str) -> int:
    """The line of `module` at which a quotation begins; indentation as a whole does not count.

    Raises ChapterError when the lines are not there, one after the other.
    """
    wanted = textwrap.dedent(body).strip("\n").split("\n")
    lines = module_source(module).split("\n")
    for start in range(len(lines) - len(wanted) + 1):
        window = textwrap.dedent("\n".join(lines[start : start + len(wanted)])).split("\n")
        if [line.rstrip() for line in window] == [line.rstrip() for line in wanted]:
            return start + 1
    raise ChapterError(f"{module} no longer contains the quoted lines that begin with {wanted[0].strip()!r}")


def _taken(name: str) -> tuple[str, int, str]:
    """(module, line, text) of a dotted name such as showtell.core.block.Block.forward."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        try:
            module_source(module)
        except RequestError:
            continue
        piece: Any = __import__(module, fromlist=["_"])
        for part in parts[cut:]:
            piece = getattr(piece, part)
        found = excerpt(piece)
        return module, found.line, found.text
    raise ChapterError(f"{name} is not in the library")


def _listing(module: str, line: int, text: str) -> str:
    path = module.replace(".", "/") + ".py"
    return (
        f'<div class="listing"><p class="mono"><a href="/source/{module}#L{line}">{path}, line {line}</a></p>'
        f'<pre tabindex="0"><code>{highlight(text)}</code></pre></div>\n'
    )


def _inline_maths(state: StateInline, silent: bool) -> bool:
    """$...$ in a line of text."""
    if state.src[state.pos] != "$":
        return False
    end = state.src.find("$", state.pos + 1)
    if end < 0 or end == state.pos + 1:
        return False
    if not silent:
        state.push("maths", "math", 0).content = state.src[state.pos + 1 : end]
    state.pos = end + 1
    return True


def _render_maths(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return maths(tokens[index].content)
