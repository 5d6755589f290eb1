"""`chat`: many questions about one picture, which is looked at once.

    picture ──> encode ──> ImageState ──┬──> question 1
                (the slow part, once)   ├──> question 2 …     a line each, from the keyboard or from a pipe
                                        └──> /quit or end of input

Each question stands on its own: the pocket model was taught with one question at a time.
"""

import sys
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from showtell.cli import console
from showtell.cli.answers import checked, show
from showtell.cli.options import Json, Model, PicturePath, asked
from showtell.core.errors import ShowtellError

QUIT = ("/quit", "/exit", "/q")


def chat(picture: PicturePath, /, model: Model = "pocket", json: Json = False) -> int:
    """Ask question after question about one picture (from the keyboard or a pipe; /quit ends)."""
    from showtell.images.decode import decode

    seen = decode(picture)
    from showtell.load import load

    assistant: Any = asked(load(model))
    state = assistant.encode(seen)
    refused = 0
    for number, question in enumerate(_questions(interactive=sys.stdin.isatty() and not json)):
        try:
            answer = assistant.ask(state, checked(question, "question"))
        except ShowtellError as error:  # one bad question ends neither the chat nor the pipe
            refused = console.refuse(str(error), json)
            continue
        if json:
            console.emit(answer.to_json())
        else:
            show(answer, looked=number == 0)
    return 0 if sys.stdin.isatty() else refused


def _questions(interactive: bool) -> Iterator[str]:
    """Lines from the keyboard (with a prompt) or from a pipe; empty lines are passed over."""
    if interactive:
        console.note("ask about the picture; /quit ends")
    while True:
        try:
            line = console.out.input(Text("› ", style="bold cyan")) if interactive else sys.stdin.readline()
        except EOFError:
            return
        if not interactive and not line:
            return
        question = line.strip()
        if question in QUIT:
            return
        if question:
            yield question
