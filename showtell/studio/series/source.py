"""The source drawer: the Python of a figure, and of everything in the library that it calls.

    view -> names it uses -> those defined in the demo's own file, likewise -> functions and classes of showtell

Read from the running code, so that it cannot be out of date. Each library name links to its file in the studio, which
shows the whole of it with line numbers. Only files of this package can be shown.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import showtell
from showtell.studio.limits import RequestError
from showtell.studio.series.demo import Demo

PACKAGE = Path(next(iter(showtell.__path__)))
MODULE = re.compile(r"showtell(\.[a-z_][a-z0-9_]{0,60}){1,4}")
INSIDE = "showtell.studio."


@dataclass(frozen=True)
class Excerpt:
    """A piece of source: dotted name, module, first line, text."""

    name: str
    module: str
    line: int
    text: str


@cache
def excerpts(demo: type[Demo[Any]]) -> tuple[tuple[Excerpt, ...], tuple[Excerpt, ...]]:
    """(the demo's own functions, the library's objects they call), each in order of use."""
    module = inspect.getmodule(demo)
    assert module is not None
    own: dict[str, Excerpt] = {}
    library: dict[str, Excerpt] = {}
    waiting: list[Any] = [demo.view]
    while waiting:
        piece = waiting.pop(0)
        found = excerpt(piece)
        if found.name in own:
            continue
        own[found.name] = found
        for value in _used(found.text, module):
            where = getattr(value, "__module__", "")
            if where == module.__name__ and inspect.isfunction(value):
                waiting.append(value)
            elif where.startswith("showtell.") and not where.startswith(INSIDE):
                shown = excerpt(value)
                library[shown.name] = shown
    return tuple(own.values()), tuple(library.values())


def _used(text: str, module: ModuleType) -> Iterator[Any]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            value = getattr(module, node.id, None)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield value


def excerpt(piece: Any) -> Excerpt:
    """The source of a function or class of showtell."""
    lines, first = inspect.getsourcelines(inspect.unwrap(piece))
    name = f"{piece.__module__}.{piece.__qualname__}"
    return Excerpt(name, piece.__module__, first, textwrap.dedent("".join(lines)).rstrip())


def module_source(name: str) -> str:
    """The text of a module of this package.

    Raises RequestError (404) for anything else.
    """
    path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
    if not MODULE.fullmatch(name) or not path.is_file():
        raise RequestError(f"There is no file {name[:80]!r} in this library.", 404)
    return path.read_text(encoding="utf-8")
