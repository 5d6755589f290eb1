"""`export`: the series as plain files for any web server, its figures recorded."""

from pathlib import Path
from typing import Annotated

import tyro

from showtell.cli import console
from showtell.cli.options import Json, Model
from showtell.cli.studio import EXTRA
from showtell.core.errors import ConfigError


def export(
    folder: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR", help="A new folder, or an earlier export.")
    ],
    model: Model = "pocket",
    states: Annotated[int, tyro.conf.arg(help="At most so many recorded states of each figure.")] = 120,
    json: Json = False,
) -> int:
    """Write the series as plain files: chapters, figures with recorded states, sources; every link is checked."""
    if states < 1:
        raise ConfigError(f"states must be at least 1, not {states}: the default state of a figure is one of them")
    try:
        from showtell.studio.series.export import export as write
        from showtell.studio.series.tools import Tools
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise ConfigError(
                f'{error.name} is missing; install the page with: pip install "showtell[studio]"'
            ) from error
        raise
    import torch

    from showtell.load import load

    torch.set_num_threads(1)
    tools = Tools(load(model))
    if json:
        done = write(folder, tools, states)
        console.emit({"folder": str(folder)} | vars(done))
        return 0
    with console.err.status("recording") as status:
        done = write(folder, tools, states, lambda name: status.update(f"recording {name}"))
    console.out.print(
        f"{folder}: {done.pages} pages, {done.states} recorded states, {done.links} links followed, "
        f"{done.megabytes:.0f} MB"
    )
    console.note(f"look at it: python -m http.server --directory {folder}")
    return 0
