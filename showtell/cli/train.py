"""`train RECIPE …`: run a recipe, which is a Python file whose `main` is the run.

    showtell train                                       lists the recipes
    showtell train pocket --help                         the options are the parameters of recipes.pocket.main
    showtell train pocket --folder runs/pocket           the same again resumes from the last checkpoint
    showtell train my/recipe.py                          a recipe of your own

There is no other way to start a run and none to configure it from outside: what a run does is written in one file.
Not here: the loop (`engine/loop.py`), and resuming, which the loop does by itself when the folder holds a checkpoint.
"""

import ast
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import tyro
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
Name = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="RECIPE", help="A recipe's name, or a Python file with a main(). Without one: the list."),
]


def train(recipe: Name = "", /, json: Json = False) -> int:
    """Run a recipe; `showtell train RECIPE --help` lists what it can be told."""
    if recipe:
        return run(recipe, ["--json"] if json else [])
    listed = recipes()
    if json:
        console.emit({"recipes": listed})
    else:
        for name, sentence in listed.items():
            console.out.print(Text.assemble((f"{name:<24}", "bold"), sentence))
    return 0


def names_a_recipe(arguments: Sequence[str]) -> bool:
    """Whether the first word after `train` is a recipe: the words after it are then the recipe's own options."""
    return bool(arguments) and not arguments[0].startswith("-")


def run(name: str, arguments: Sequence[str]) -> int:
    """Import the recipe and call its `main` with `arguments` read as its parameters."""
    as_json = "--json" in arguments
    recipe = imported(name)
    result = tyro.cli(
        recipe.main,
        prog=f"showtell train {name}",
        description=(recipe.__doc__ or "").strip(),
        args=[argument for argument in arguments if argument != "--json"],
    )
    if as_json:
        console.emit(_plain(result))
    return 0


def recipes() -> dict[str, str]:
    """Name and first sentence of every recipe of the repository that trains (its `main` takes a `folder`)."""
    found = {}
    for path in sorted(_folder().glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
        if any(argument.arg == "folder" for main in mains for argument in (*main.args.args, *main.args.kwonlyargs)):
            found[path.stem] = (ast.get_docstring(tree) or "").split("\n")[0]
    return found


def _folder() -> Path:
    folder = REPOSITORY / "recipes"
    if not folder.is_dir():
        raise ConfigError(
            f"this installation has no recipes/ beside {REPOSITORY / 'showtell'}; clone the repository and install it "
            "with `pip install -e .`, or give the path of a recipe of your own"
        )
    return folder


def imported(name: str) -> ModuleType:
    """The module of a recipe, by its name in recipes/ or by the path of a file."""
    path = Path(name) if name.endswith(".py") else _folder() / f"{name.replace('-', '_')}.py"
    if not path.is_file():
        known = "" if name.endswith(".py") else f"; the repository has: {', '.join(recipes()) or 'none'}"
        raise ConfigError(f"there is no recipe {name} ({path} does not exist){known}")
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        recipe = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = recipe  # worker processes and dataclasses look the module up by its name
        spec.loader.exec_module(recipe)
    else:
        if str(REPOSITORY) not in sys.path:
            sys.path.insert(0, str(REPOSITORY))
        recipe = importlib.import_module(f"recipes.{path.stem}")
    if not callable(getattr(recipe, "main", None)):
        raise ConfigError(f"{path} has no function main(); a recipe is a file whose main() is the run")
    return recipe


def _plain(result: Any) -> Any:
    """What a recipe returned, as JSON: a dict, a dataclass, or its text."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    return result if result is None or isinstance(result, dict | list | int | float | bool | str) else str(result)
