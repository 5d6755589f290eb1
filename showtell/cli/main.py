"""`showtell COMMAND …`: the table of commands, and the one place where an error becomes an exit code.

    0    done                             2    refused: one sentence says what is wrong and what to do
    130  interrupted with Ctrl-C          1    a defect of ours, with its traceback

Each command is a typed function in a sibling file; tyro turns its signature into options and help. Heavy modules
(torch, the models) are imported inside the commands, so that `--help` and most refusals come at once.
"""

import itertools
import os
import sys
from collections.abc import Callable, Sequence

from showtell.cli import (
    about,
    answers,
    chat,
    classify,
    console,
    convert,
    evaluate,
    exercise,
    export,
    fetch,
    generate,
    inspect,
    metrics,
    parity,
    plan,
    runs,
    search,
    studio,
    train,
)
from showtell.core.errors import ShowtellError

COMMANDS: dict[str, Callable[..., int]] = {
    "ask": answers.ask,
    "caption": answers.caption,
    "ground": answers.ground,
    "chat": chat.chat,
    "classify": classify.classify,
    "index": search.index,
    "search": search.search,
    "embed": search.embed,
    "train": train.train,
    "plan": plan.plan,
    "runs": runs.runs,
    "inspect": inspect.inspect,
    "generate": generate.generate,
    "eval": evaluate.evaluate,
    "fetch": fetch.fetch,
    "convert": convert.convert,
    "parity": parity.parity,
    "metrics": metrics.metrics,
    "card": about.card,
    "env": about.env,
    "studio": studio.studio,
    "exercise": exercise.exercise,
    "export": export.export,
}
# the options that take no value
FLAGS = frozenset({"--json", "--calibrate", "--open", "--prove", "--stats", "--keep-denied", "--help", "-h"})
DESCRIPTION = "A vision-language stack you can read, run and trust. Every command accepts --json."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        return _run(arguments)
    except ShowtellError as error:
        return console.refuse(str(error), as_json)
    except KeyboardInterrupt:
        console.note("interrupted")
        return console.EXIT_INTERRUPTED
    except BrokenPipeError:
        # `showtell … | head`: the reader has left. Point stdout elsewhere, or the interpreter complains on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as done:  # tyro ends --help with 0 and a usage error with 2, which it has already explained
        code = done.code if isinstance(done.code, int) else 1
        if code == console.EXIT_REFUSED and as_json:
            console.emit({"error": "the command line was not understood; `showtell COMMAND --help` lists its options"})
        return code


def _run(arguments: list[str]) -> int:
    import tyro

    # The options of `train RECIPE` are those of the recipe's own main(), known only once the recipe is.
    of_recipe = {"train": train.run, "plan": plan.run}
    if arguments and arguments[0] in of_recipe and train.names_a_recipe(arguments[1:]):
        return of_recipe[arguments[0]](arguments[1], arguments[2:])
    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="showtell",
        description=DESCRIPTION,
        args=words_together(arguments) or ["--help"],
        sort_subcommands=False,
    )


def words_together(arguments: Sequence[str]) -> list[str]:
    """Options first, words after them: `ask a.jpg --draw b.png "what?"` -> `ask --draw b.png a.jpg "what?"`.

    People write options anywhere; argparse wants the words of a command side by side. After `--` all are words.
    """
    options: list[str] = []
    words: list[str] = []
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--":
            words = ["--", *words, *rest]
        elif argument in FLAGS:
            options.append(argument)
        elif argument.startswith("--"):
            options += [argument] if "=" in argument else [argument, *itertools.islice(rest, 1)]
        else:
            words.append(argument)
    return [*arguments[:1], *options, *words]
