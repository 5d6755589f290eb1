"""`chat`: question after question, about pictures that are looked at once.

    pocket       picture ──> encode ──> ImageState ──┬──> question 1        each question stands on its own: it was
                                                     └──> question 2 …      taught with one at a time
    published    question 1, answer 1, question 2 …  ──> Dialogue           questions refer to answers; several pictures

Lines come from the keyboard or from a pipe. `/look FILE` shows another picture, `/again` forgets what was said, `/quit`
or the end of input ends; Ctrl-C ends an answer that is being written, and then the chat.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import tyro
from rich.text import Text

from showtell.cli import console
from showtell.cli.answers import checked, show
from showtell.cli.options import Json, Model, asked
from showtell.core.errors import ConfigError, ShowtellError

if TYPE_CHECKING:
    from showtell.images.decode import Picture
    from showtell.instruct.assistant import Assistant
    from showtell.instruct.dialogue import Dialogue

QUIT = ("/quit", "/exit", "/q")
HELP = "/look FILE shows another picture, /again forgets what was said, /quit ends"

Pictures = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="PICTURE…", help="Pictures to talk about; none for a language model.", help_behavior_hint=""),
]
System = Annotated[
    str | None, tyro.conf.arg(metavar="WORDS", help="What a published model is told before everything else.")
]
MaxTokens = Annotated[int, tyro.conf.arg(metavar="N", help="Most tokens of an answer of a published model.")]


class Talk(Protocol):
    """One side of a chat."""

    def look(self, picture: "Picture") -> None:
        """Show a picture."""

    def again(self) -> None:
        """Forget what was said."""

    def ask(self, question: str, as_json: bool) -> None:
        """Ask, and print what comes back."""


def chat(
    pictures: Pictures = (),
    /,
    model: Model = "pocket",
    system: System = None,
    max_tokens: MaxTokens = 200,
    json: Json = False,
) -> int:
    """Ask question after question about pictures (from the keyboard or a pipe; /quit ends)."""
    from showtell.images.decode import decode

    if model == "pocket" and not pictures:
        raise ConfigError("no picture was given; name the picture to talk about: showtell chat photo.jpg")
    shown = [decode(path) for path in pictures]
    talk = _talk(model, system, max_tokens)
    for picture in shown:
        talk.look(picture)
    refused = 0
    for line in _lines(interactive=sys.stdin.isatty() and not json):
        try:
            if line.startswith("/"):
                _command(line, talk)
            else:
                talk.ask(checked(line, "question"), json)
        except ShowtellError as error:  # one bad line ends neither the chat nor the pipe
            refused = console.refuse(str(error), json)
    return 0 if sys.stdin.isatty() else refused


def _talk(model: str, system: str | None, max_tokens: int) -> Talk:
    from showtell.instruct.dialogue import Dialogue
    from showtell.instruct.published import Published
    from showtell.load import load
    from showtell.text.sampling import SamplingConfig

    loaded = asked(load(model))
    if isinstance(loaded, Published):
        sampling = SamplingConfig(max_tokens=max_tokens)
        return Together(Dialogue(loaded.speaking(), context=loaded.context, sampling=sampling, system=system), model)
    if system is not None:
        raise ConfigError(f"--system: {model} answers each question on its own and is told nothing before it")
    return Apart(loaded)


def _command(line: str, talk: Talk) -> None:
    from showtell.images.decode import decode

    word, _, rest = line.partition(" ")
    if word == "/look":
        if not rest.strip():
            raise ConfigError("/look wants the picture to look at: /look photo.jpg")
        talk.look(decode(rest.strip()))
    elif word == "/again":
        talk.again()
    elif word == "/help":
        console.note(HELP)
    else:
        raise ConfigError(f"{word} is no command; {HELP}")


def _lines(interactive: bool) -> Iterator[str]:
    """Lines from the keyboard (with a prompt) or from a pipe; empty ones are passed over."""
    if interactive:
        console.note(f"ask about what you see; {HELP}")
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


class Apart:
    """A model that answers each question on its own: the picture is looked at once."""

    def __init__(self, assistant: "Assistant") -> None:
        self.assistant: Any = assistant
        self.state: Any = None
        self.new = True

    def look(self, picture: "Picture") -> None:
        if self.state is not None and self.new:
            raise ConfigError("this model looks at one picture at a time; give one, and /look at the next later")
        self.state, self.new = self.assistant.encode(picture), True

    def again(self) -> None:
        """Nothing to forget."""

    def ask(self, question: str, as_json: bool) -> None:
        answer = self.assistant.ask(self.state, question)
        if as_json:
            console.emit(answer.to_json())
        else:
            show(answer, looked=self.new)
        self.new = False


class Together:
    """A model that remembers: pictures wait for the next question, answers appear as they are written."""

    def __init__(self, dialogue: "Dialogue", name: str) -> None:
        self.dialogue = dialogue
        self.name = name
        self.waiting: list[Picture] = []

    def look(self, picture: "Picture") -> None:
        self.waiting.append(picture)

    def again(self) -> None:
        self.dialogue.forget()
        self.waiting = []

    def ask(self, question: str, as_json: bool) -> None:
        pictures, self.waiting = self.waiting, []
        said = self.dialogue.say(question, pictures, on_text=None if as_json else self._write)
        if as_json:
            console.emit(vars(said) | {"answer": said.text, "model": self.name})
            return
        console.out.print()
        if said.left_out:
            console.note(said.left_out)
        ended = "stopped" if said.interrupted else "" if said.stopped else "cut at --max-tokens"
        read = f"read {said.read_tokens} of {said.prompt_tokens} tokens"
        console.note(" · ".join(filter(None, [f"confidence {said.confidence:.0%}", self.name, read, ended])))

    def _write(self, text: str) -> None:
        console.out.print(Text(text, style="bold"), end="")
