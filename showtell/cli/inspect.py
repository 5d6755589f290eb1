"""`inspect`: what a model is really taught — every token's role, whether it is trained on, and where the picture sits.

    ▦ image 1 (64 tokens)  <user> where is the dog ?  <assistant> <loc_3> <loc_9> … <end>
    grey: not trained on                               bold on green: trained on

The rows shown are rendered by the very template that training uses, so the picture cannot differ from the run. Silent
masking is the commonest defect of instruction tuning: labels gone, loss 0.0, nobody looks. With `--stats` every row of
a file is looked at and counted (`instruct/survey.py`); `--html` writes a page. Not here: the template.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console, rows, train
from showtell.cli.options import Json, Model
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.instruct.survey import Rendering
    from showtell.text.chat import Rendered
    from showtell.text.tokenizer import Tokenizer

COLOURS = {"image": "magenta", "control": "yellow", "system": "blue", "user": "cyan", "assistant": "green"}
TRAINED = "bold black on green"

Data = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="DATA", help="A file of conversations: one a line, or one JSON list (LLaVA, ShareGPT)."),
]
Recipe = Annotated[str, tyro.conf.arg(metavar="RECIPE", help="Show rows of this recipe's own data instead.")]
Row = Annotated[int | None, tyro.conf.arg(metavar="N", help="Show this row, from 0.")]
Html = Annotated[str, tyro.conf.arg(metavar="FILE", help="Write the same as a page.")]
Pictures = Annotated[str, tyro.conf.arg(metavar="FOLDER", help="Where picture paths start; else beside DATA.")]
Longest = Annotated[int | None, tyro.conf.arg(metavar="TOKENS", help="Rows are too long from here; else the model's.")]


def inspect(
    data: Data = "",
    recipe: Recipe = "",
    model: Model = "pocket",
    row: Row = None,
    first: Annotated[int, tyro.conf.arg(help="The first row to show, from 0.")] = 0,
    count: Annotated[int, tyro.conf.arg(help="How many rows to show.")] = 1,
    stats: Annotated[bool, tyro.conf.arg(help="Look at every row: tokens by role, and what is wrong with which.")] = (
        False
    ),
    html: Html = "",
    pictures: Pictures = "",
    longest: Longest = None,
    json: Json = False,
) -> int:
    """Show each token's role, whether it is trained on, and where the picture sits; count a whole file."""
    if bool(data) == bool(recipe):
        raise ConfigError("name either a file of conversations or --recipe: inspect data.jsonl, or --recipe pocket")
    first, count = (row, 1) if row is not None else (first, count)
    if first < 0 or count < 1 or (longest is not None and longest < 1):
        raise ConfigError(f"--first {first} --count {count}: rows are counted from 0, and at least one is shown")
    if recipe and stats:
        raise ConfigError("--stats counts the rows of a file; a recipe makes its data without end")
    shown, counts = list[tuple[int, "Rendered", list[str]]](), None
    if recipe:
        shown = [
            (n, rendered, tokenizer.pieces(rendered.ids)) for n, rendered, tokenizer in _of_recipe(recipe, first, count)
        ]
    else:
        rendering, folder = _rendering(Path(data), model), Path(pictures) if pictures else None
        counts = _counted(Path(data), folder, rendering, longest) if stats else None
        if not stats or row is not None:
            for number, said, frames in rows.read(Path(data), first, count, folder):
                rendered = rendering.write(said, frames)
                shown.append((number, rendered, rendering.tokenizer.pieces(rendered.ids)))
    for number, rendered, texts in shown:
        if json:
            console.emit({"row": number} | as_json(rendered, texts))
        else:
            console.out.print(
                Text(f"row {number}", style="bold"), in_colour(rendered, texts), summary(rendered), sep="\n"
            )
    if counts is not None:
        console.emit(counts) if json else _print_counts(counts)
    if shown and not json:
        console.out.print(legend())
    if html:
        from showtell.cli.inspect_page import page

        Path(html).write_text(page(Path(data).name or recipe, shown, counts), encoding="utf-8")
    return 0


def _of_recipe(name: str, first: int, count: int) -> Iterator[tuple[int, "Rendered", "Tokenizer"]]:
    """A recipe shows its data through `rendered(position) -> (Rendered, Tokenizer)`."""
    module = train.imported(name)
    if not hasattr(module, "rendered"):
        raise ConfigError(f"the recipe {name} cannot show its data: it has no function rendered(position)")
    for position in range(first, first + count):
        yield position, *module.rendered(position)


def _rendering(path: Path, model: str) -> "Rendering":
    if not path.is_file():
        raise ConfigError(f"{path} is no file; give a file of conversations")
    from showtell.instruct.survey import rendering_of
    from showtell.load import load

    return rendering_of(load(model))


def _counted(path: Path, pictures: Path | None, rendering: "Rendering", longest: int | None) -> dict[str, Any]:
    """The survey of a file, with a bar on stderr while it runs."""
    from functools import partial

    from rich.progress import track

    from showtell.data.sources import conversations
    from showtell.instruct.survey import survey

    source = conversations(path, pictures)
    reads = ((number, partial(rows.read_parts, source, number)) for number in range(len(source)))
    bar = track(reads, "rows", len(source), console=console.err, transient=True)
    return survey(bar, rendering, longest).to_json()


def _print_counts(counts: dict[str, Any]) -> None:
    """The counts as a table, then each refusal and what else is wrong with which row."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in counts.items():
        if isinstance(value, dict):
            text = ", ".join(f"{number:,} {key}" for key, number in value.items())
        else:
            text = f"{len(value) if isinstance(value, list) else value:,}"
        table.add_row(name.replace("_", " "), text)
    console.out.print(table)
    for row, why in counts["refused"]:
        console.out.print(Text(why if f"row {row} " in why else f"row {row}: {why}", style="red"))
    for name, verb in (("zero_loss", "teaches nothing"), ("too_long", "is too long"), ("twice", "repeats row")):
        for item in counts[name][:20]:
            row, more = (item, "") if isinstance(item, int) else (item[0], f" {item[1]}")
            console.out.print(Text(f"row {row} {verb}{more}{' tokens' * (name == 'too_long')}", style="yellow"))


def in_colour(rendered: "Rendered", texts: list[str]) -> Text:
    """The row as one text: each picture is one mark, each token in the colour of its role, trained ones on green."""
    shown, starts = Text(), dict(rendered.image_slots)
    pictures = 0
    at = 0
    while at < len(rendered.ids):
        if at in starts:
            pictures += 1
            shown.append(f"▦ image {pictures} ({starts[at]} tokens)", style=f"bold {COLOURS['image']}")
            at += starts[at]
            continue
        if at and rendered.roles[at] == "control" != rendered.roles[at - 1]:
            shown.append("\n")
        style = TRAINED if rendered.loss_mask[at] else COLOURS[rendered.roles[at]]
        shown.append(_visible(texts[at], rendered.roles[at]), style=style)
        at += 1
    return shown


def _visible(text: str, role: str) -> str:
    """Line breaks and empty tokens made visible; control tokens set apart."""
    text = text.replace("\n", "⏎") or "·"
    return f" {text} " if role == "control" else text


def summary(rendered: "Rendered") -> Text:
    """How many tokens of each role, and how many of all are trained on."""
    counts = Counter(rendered.roles)
    trained = sum(rendered.loss_mask)
    parts = ", ".join(f"{count} {role}" for role, count in counts.most_common())
    share = trained / max(1, len(rendered.ids))
    return Text(f"{len(rendered.ids)} tokens: {parts}; {trained} trained on ({share:.0%})", style="dim")


def legend() -> Text:
    """Which colour means what."""
    parts = [part for role, colour in COLOURS.items() for part in ((role, colour), "  ")]
    return Text.assemble(*parts, ("trained on", TRAINED))


def as_json(rendered: "Rendered", texts: list[str]) -> dict[str, Any]:
    """Runs of tokens of one role, and the pictures' places."""
    tokens = list(zip(rendered.ids, texts, rendered.roles, rendered.loss_mask, strict=True))
    return {
        "tokens": [{"id": id, "text": text, "role": role, "trained": bool(t)} for id, text, role, t in tokens],
        "segments": [
            {"role": role, "trained": bool(trained), "tokens": len(list(run))}
            for (role, trained), run in groupby(tokens, key=lambda token: token[2:])
        ],
        "images": [{"first": first, "tokens": count} for first, count in rendered.image_slots],
        "trained": sum(map(bool, rendered.loss_mask)),
    }
