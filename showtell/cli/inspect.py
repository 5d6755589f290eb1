"""`inspect`: what a model is really taught — every token's role, whether it is trained on, and where the picture sits.

    ▦ image 1 (64 tokens)  <user> where is the dog ?  <assistant> <loc_3> <loc_9> … <end>
    grey: not trained on                               bold on green: trained on

The rows shown are rendered by the very template that training uses, so the picture cannot differ from the run. Silent
masking is the commonest defect of instruction tuning: labels gone, loss 0.0, nobody looks. Not here: the template.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.text import Text

from showtell.cli import console, rows, train
from showtell.cli.options import Json, Model, answering
from showtell.core.errors import ConfigError

if TYPE_CHECKING:
    from showtell.text.chat import Rendered
    from showtell.text.tokenizer import Tokenizer

COLOURS = {"image": "magenta", "control": "yellow", "system": "blue", "user": "cyan", "assistant": "green"}
TRAINED = "bold black on green"

Data = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="DATA", help="A .jsonl file of conversations (LLaVA's fields, or images and messages)."),
]
Recipe = Annotated[str, tyro.conf.arg(metavar="RECIPE", help="Show rows of this recipe's own data instead.")]


def inspect(
    data: Data = "",
    recipe: Recipe = "",
    model: Model = "pocket",
    first: Annotated[int, tyro.conf.arg(help="The first row to show, from 0.")] = 0,
    count: Annotated[int, tyro.conf.arg(help="How many rows to show.")] = 1,
    json: Json = False,
) -> int:
    """Show each token's role, whether it is trained on, and where the picture sits."""
    if bool(data) == bool(recipe):
        raise ConfigError("name either a .jsonl file or --recipe: showtell inspect data.jsonl, or --recipe pocket")
    if first < 0 or count < 1:
        raise ConfigError(f"--first {first} --count {count}: rows are counted from 0, and at least one is shown")
    shown = _of_recipe(recipe, first, count) if recipe else _of_file(Path(data), model, first, count)
    for number, rendered, tokenizer in shown:
        texts = tokenizer.pieces(rendered.ids)
        if json:
            console.emit({"row": number} | as_json(rendered, texts))
        else:
            console.out.print(
                Text(f"row {number}", style="bold"), in_colour(rendered, texts), summary(rendered), sep="\n"
            )
    if not json:
        console.out.print(legend())
    return 0


def _of_recipe(name: str, first: int, count: int) -> Iterator[tuple[int, "Rendered", "Tokenizer"]]:
    """A recipe shows its data through `rendered(position) -> (Rendered, Tokenizer)`."""
    module = train.imported(name)
    if not hasattr(module, "rendered"):
        raise ConfigError(f"the recipe {name} cannot show its data: it has no function rendered(position)")
    for position in range(first, first + count):
        yield position, *module.rendered(position)


def _of_file(path: Path, model: str, first: int, count: int) -> Iterator[tuple[int, "Rendered", "Tokenizer"]]:
    found = rows.read(path, first, count)
    from showtell.load import load

    assistant = answering(load(model))
    for number, conversation, frames in found:
        plans = [assistant.plan(frame) for frame in frames]
        yield number, assistant.template.render(conversation, plans), assistant.template.tokenizer


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
