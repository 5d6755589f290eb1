"""`eval`: score a model on the worlds' held-out splits, skill by skill, with intervals. Not here: the scoring."""

from typing import Annotated

import tyro
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json, Model, answering
from showtell.cli.scores import matrix
from showtell.core.errors import ConfigError

Split = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(name="split", metavar="SPLIT", help="Score this split only; may be given several times."),
]


def evaluate(
    model: Model = "pocket",
    splits: Split = (),
    pictures: Annotated[int, tyro.conf.arg(help="Pictures a split; more narrow the intervals.")] = 200,
    seed: Annotated[int, tyro.conf.arg(help="Seed of the pictures.")] = 0,
    json: Json = False,
) -> int:
    """Score a model on held-out pictures, skill by skill, with 95 % intervals."""
    if pictures < 1:
        raise ConfigError(f"--pictures {pictures}: at least one picture a split is needed")
    from showtell.instruct.evaluate import evaluate as score
    from showtell.load import load

    assistant = answering(load(model))
    with Progress(TextColumn("{task.description}"), SpinnerColumn(), TimeElapsedColumn(), console=console.err) as bar:
        task, asked = bar.add_task("reading pictures", total=None), 0

        def tell(split: str) -> None:
            nonlocal asked
            asked += 1
            bar.update(task, description=f"{split}: {asked} questions")

        found = score(assistant, splits=splits or None, pictures=pictures, seed=seed, on_question=tell)
    if json:
        console.emit(found)
        return 0
    for split, skills in found["splits"].items():
        table = Table(title=Text(split, style="bold"), title_justify="left", box=None, pad_edge=False)
        table.add_column("skill")
        for column in ("score", "95 % interval", "n"):
            table.add_column(column, justify="right")
        for skill, got in skills.items():
            interval = f"{got['low']:.1%} to {got['high']:.1%}"
            table.add_row(skill, Text(f"{got['value']:.1%}", style="bold"), interval, str(got["n"]))
        console.out.print(table)
    console.out.print(matrix(found["splits"]))
    return 0
