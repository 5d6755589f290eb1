"""`ask`, `caption` and `ground`: one answer about each picture given.

    words ─ check ─> pictures decoded ─> model loaded ─> Answer ─> terminal | JSON | drawn boxes

What can be refused is refused before the model is loaded. Boxes are xyxy in pixels of the original file, as it is shown
(turned upright by its EXIF orientation). Not here: how answers are found (`instruct/assistant.py`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json, Model, PicturePath
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.images.decode import Picture

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


def ask(words: Words, /, model: Model = "pocket", draw: Draw = None, json: Json = False) -> int:
    """Answer a question about a picture, with the boxes the answer speaks of."""
    if len(words) < 2:
        raise ConfigError('name the picture first and the question last: showtell ask photo.jpg "what is this?"')
    *paths, question = words
    question = checked(question, "question")
    return _answer(paths, model, draw, json, lambda assistant, pixels: assistant.ask(pixels, question))


def caption(pictures: Pictures, /, model: Model = "pocket", draw: Draw = None, json: Json = False) -> int:
    """Describe each picture in a sentence."""
    return _answer(pictures, model, draw, json, lambda assistant, pixels: assistant.caption(pixels))


def ground(
    picture: PicturePath, phrase: Phrase, /, model: Model = "pocket", draw: Draw = None, json: Json = False
) -> int:
    """Find what a phrase speaks of and give its box."""
    phrase = checked(phrase, "phrase")
    return _answer([picture], model, draw, json, lambda assistant, pixels: assistant.ground(pixels, phrase))


def checked(words: str, kind: str) -> str:
    """The question or phrase without surrounding space; an empty or endless one is refused."""
    count = len(words.split())
    if count == 0:
        raise ConfigError(f"the {kind} is empty; write it in quotes after the picture")
    if count > MOST_WORDS:
        raise ConfigError(f"the {kind} has {count:,} words, and at most {MOST_WORDS} are read; shorten it")
    return words.strip()


def _answer(
    paths: Sequence[str], model: str, draw: Path | None, as_json: bool, ask_model: Callable[[Any, Any], Any]
) -> int:
    if not paths:
        raise ConfigError("no picture was given; name at least one picture file")
    if draw is not None:
        _check_drawing(draw, paths)
    from showtell.images.decode import decode

    pictures = [decode(path) for path in paths]
    from showtell.load import load

    assistant = load(model)
    for path, picture in zip(paths, pictures, strict=True):
        answer = ask_model(assistant, picture.pixels)
        if draw is not None:
            draw_answer(answer, picture, draw)
        if as_json:
            console.emit(({"picture": path} if len(paths) > 1 else {}) | answer.to_json())
        else:
            show(answer, path if len(paths) > 1 else None)
    if draw is not None:
        console.note(f"drawn: {draw}")
    return 0


def _check_drawing(draw: Path, paths: Sequence[str]) -> None:
    """Refuse an unusable --draw before any work is done."""
    if len(paths) > 1:
        raise ConfigError(f"--draw {draw}: one drawing shows one picture, but {len(paths)} were given")
    if draw.suffix.lower() not in DRAWN_FORMATS:
        raise ConfigError(f"--draw {draw}: unknown picture format; use one of {', '.join(DRAWN_FORMATS)}")
    if not draw.parent.is_dir():
        raise ConfigError(f"--draw {draw}: the folder {draw.parent} does not exist; create it first")


def draw_answer(answer: Any, picture: "Picture", path: Path) -> None:
    """Write `picture` with the boxes and points of `answer` to `path`."""
    from showtell.images.draw import draw_boxes

    boxes = [(item.label, (item.box.x1, item.box.y1, item.box.x2, item.box.y2)) for item in answer.boxes]
    points = [(item.label, (item.point.x, item.point.y)) for item in answer.points]
    try:
        draw_boxes(picture.pixels, boxes, points).save(path)
    except OSError as error:
        raise ConfigError(f"--draw {path}: cannot be written ({error.strerror or error})") from error


def show(answer: Any, path: str | None = None) -> None:
    """One answer for a person: the sentence, its boxes, and a dim line on how sure and how fast."""
    if path is not None:
        console.out.print(Text(path, style="dim"))
    console.out.print(Text(answer.answer, style="bold"))
    if answer.boxes or answer.points:
        table = Table(box=None, pad_edge=False, show_header=False)
        for item in answer.boxes:
            corners = (item.box.x1, item.box.y1, item.box.x2, item.box.y2)
            table.add_row("  □", item.label, Text(" ".join(f"{value:.0f}" for value in corners), style="cyan"))
        for item in answer.points:
            table.add_row("  ◎", item.label, Text(f"{item.point.x:.0f} {item.point.y:.0f}", style="cyan"))
        console.out.print(table)
    spent = answer.timings.get("total", sum(answer.timings.values()))
    console.note(f"{answer.confidence:.0%} sure · {answer.model} · {spent * 1000:.0f} ms")
