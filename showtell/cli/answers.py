"""`ask`, `caption` and `ground`: one answer about each picture given.

    words ─ check ─> pictures decoded ─> model loaded ─> Answer ─> terminal | JSON | drawn boxes

What can be refused is refused before the model is loaded. Boxes are xyxy in pixels of the original file, as it is shown
(turned upright by its EXIF orientation). Not here: how answers are found (`instruct/assistant.py`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json, Model, PicturePath, answering, asked
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.images.decode import Picture
    from showtell.instruct.answer import Answer
    from showtell.instruct.assistant import Assistant
    from showtell.instruct.published import Published

MOST_WORDS = 200
DRAWN_FORMATS = (".png", ".jpg", ".jpeg", ".webp")

Words = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="PICTURE… QUESTION",
        help="One or more picture files, then the question in quotes.",
        help_behavior_hint="",
    ),
]
Pictures = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="PICTURE…", help="One or more picture files.", help_behavior_hint=""),
]
Phrase = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="PHRASE", help='What to find, for example "the red flag".')
]
Draw = Annotated[
    Path | None,
    tyro.conf.arg(metavar="OUT.png", help="Write the picture with the answer's boxes and points drawn on it."),
]

Prove = Annotated[
    bool,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.arg(help="Hide what the answer rests on, ask again, and say where each word came from."),
]


def ask(words: Words, /, model: Model = "pocket", draw: Draw = None, prove: Prove = False, json: Json = False) -> int:
    """Answer a question about a picture, with the boxes the answer speaks of."""
    if len(words) < 2:
        raise ConfigError('name the picture first and the question last: showtell ask photo.jpg "what is this?"')
    *paths, question = words
    question = checked(question, "question")
    if prove:
        return _prove(paths, question, model, draw, json)
    return _answer(paths, model, draw, json, lambda assistant, picture: assistant.ask(picture, question))


def caption(pictures: Pictures, /, model: Model = "pocket", draw: Draw = None, json: Json = False) -> int:
    """Describe each picture in a sentence."""
    return _answer(pictures, model, draw, json, lambda assistant, picture: assistant.caption(picture))


def ground(
    picture: PicturePath, phrase: Phrase, /, model: Model = "pocket", draw: Draw = None, json: Json = False
) -> int:
    """Find what a phrase speaks of and give its box."""
    phrase = checked(phrase, "phrase")
    return _answer([picture], model, draw, json, lambda assistant, picture: assistant.ground(picture, phrase))


def checked(words: str, kind: str) -> str:
    """The question or phrase without surrounding space; an empty or endless one is refused."""
    count = len(words.split())
    if count == 0:
        raise ConfigError(f"the {kind} is empty; write it in quotes after the picture")
    if count > MOST_WORDS:
        raise ConfigError(f"the {kind} has {count:,} words, and at most {MOST_WORDS} are read; shorten it")
    return words.strip()


def _answer(
    paths: Sequence[str],
    model: str,
    draw: Path | None,
    as_json: bool,
    ask_model: Callable[["Assistant | Published", "Picture"], "Answer"],
) -> int:
    if not paths:
        raise ConfigError("no picture was given; name at least one picture file")
    if draw is not None:
        _check_drawing(draw, paths)
    from showtell.images.decode import decode

    pictures = [decode(path) for path in paths]
    from showtell.load import load

    assistant = asked(load(model))
    for path, picture in zip(paths, pictures, strict=True):
        answer = ask_model(assistant, picture)
        if draw is not None:
            draw_answer(answer, picture, draw)
        if as_json:
            console.emit(({"picture": path} if len(paths) > 1 else {}) | answer.to_json())
        else:
            show(answer, path if len(paths) > 1 else None)
    if draw is not None:
        console.note(f"drawn: {draw}")
    return 0


def _prove(paths: Sequence[str], question: str, model: str, draw: Path | None, as_json: bool) -> int:
    """One answer, put to the test."""
    if len(paths) > 1:
        raise ConfigError(f"--prove puts one answer to the test, but {len(paths)} pictures were given")
    if draw is not None:
        _check_drawing(draw, paths)
    from showtell.images.decode import decode

    picture = decode(paths[0])
    from showtell.cli.prove import proved
    from showtell.load import load

    proved(answering(load(model)), picture, question, draw, as_json)
    return 0


def _check_drawing(draw: Path, paths: Sequence[str]) -> None:
    """Refuse an unusable --draw before any work is done."""
    if len(paths) > 1:
        raise ConfigError(f"--draw {draw}: one drawing shows one picture, but {len(paths)} were given")
    if draw.suffix.lower() not in DRAWN_FORMATS:
        raise ConfigError(f"--draw {draw}: unknown picture format; use one of {', '.join(DRAWN_FORMATS)}")
    if not draw.parent.is_dir():
        raise ConfigError(f"--draw {draw}: the folder {draw.parent} does not exist; create it first")


def draw_answer(answer: "Answer", picture: "Picture", path: Path) -> None:
    """Write `picture` with the boxes and points of `answer` to `path`."""
    from showtell.images.draw import draw_boxes

    boxes = [(item.label, item.box.xyxy) for item in answer.boxes]
    points = [(item.label, (item.point.x, item.point.y)) for item in answer.points]
    try:
        draw_boxes(picture.pixels, boxes, points).save(path)
    except OSError as error:
        raise ConfigError(f"--draw {path}: cannot be written ({error.strerror or error})") from error


def show(answer: "Answer", path: str | None = None, *, looked: bool = True) -> None:
    """One answer for a person: the words, their places, and a dim line on how sure and how fast.

    looked: whether the picture was looked at for this very answer, so that the time for it counts.
    """
    if path is not None:
        console.out.print(Text(path, style="dim"))
    if answer.answer or not (answer.boxes or answer.points):
        console.out.print(Text(answer.answer or "(no words)", style="bold"))
    if answer.boxes or answer.points:
        table = Table(box=None, pad_edge=False, show_header=False)
        for box in answer.boxes:
            table.add_row("□", box.label, Text(" ".join(f"{value:.0f}" for value in box.box.xyxy), style="cyan"))
        for point in answer.points:
            table.add_row("◎", point.label, Text(f"{point.point.x:.0f} {point.point.y:.0f}", style="cyan"))
        console.out.print(table)
    spent = sum(seconds for part, seconds in answer.timings.items() if looked or part != "encode")
    console.note(f"confidence {answer.confidence:.0%} · {answer.model} · {spent * 1000:.0f} ms")
    for sentence in answer.dropped:
        console.note(f"left out: {sentence}")
