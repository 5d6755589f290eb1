"""`exercise`: what an exercise of the series asks for, and whether the reader's function does it."""

from pathlib import Path
from typing import Annotated

import tyro

from showtell.cli import console
from showtell.cli.options import Json


def exercise(
    number: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NUMBER", help="Chapter and place, 4.3.")],
    file: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE", help="A Python file with your function; it is run."),
    ] = None,
    json: Json = False,
) -> int:
    """Say what an exercise of the series asks for, or run your FILE and grade the function in it."""
    from showtell.studio import exercises

    wanted = exercises.exercise(number)
    if file is None:
        task = {"exercise": number, "write": wanted.signature, "returns": wanted.wanted}
        if json:
            console.emit(task)
        else:
            console.out.print(
                f"Exercise {number}: write [bold]{wanted.signature}[/bold], which returns {wanted.wanted}."
            )
            console.note(f"then: showtell exercise {number} FILE")
        return 0
    verdict = exercises.grade(number, file)
    if json:
        console.emit({"exercise": number, "right": verdict.right, "cases": verdict.cases, "sentence": verdict.sentence})
    else:
        console.out.print(verdict.sentence, style="green" if verdict.right else "bold red")
    return 0 if verdict.right else console.EXIT_REFUSED
