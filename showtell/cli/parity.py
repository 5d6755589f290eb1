"""`parity`: showtell and the reference on one folder, stage by stage, and the first that differs.

The work is done by `python -m showtell_parity`, a process of its own: the package itself never imports the reference.
"""

import json as encoding
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import CheckpointError, ConfigError

SAMPLE = Path(__file__).parents[1] / "pocket" / "samples" / "cat.jpg"
Folder = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="A published checkpoint in Hugging Face layout.")
]
PictureFile = Annotated[str, tyro.conf.arg(metavar="PICTURE", help="The picture both sides are shown.")]
Words = Annotated[str, tyro.conf.arg(metavar="WORDS", help="The text both sides read.")]


def parity(
    folder: Folder, /, picture: PictureFile = str(SAMPLE), text: Words = "what is in the picture?", json: Json = False
) -> int:
    """Compare a published checkpoint with the reference, from the file's pixels to the logits."""
    found = examine(folder, picture, text)
    if json:
        console.emit(found)
        return 0
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("max|difference|", justify="right")
    first = found["first_difference"]
    for stage in found["stages"]:
        style = "bold red" if first is not None and stage["name"] == first["stage"] else ""
        table.add_row(Text(stage["name"], style), Text(f"{stage['max_abs_diff']:.2e}", style))
    console.out.print(table)
    console.out.print(Text("equal at every stage", "green") if first is None else Text(first["reason"], "bold red"))
    return 0


def examine(folder: str, picture: str, text: str) -> dict[str, Any]:
    """What the other process found; raises the refusal it wrote, or ConfigError when the reference is not installed."""
    command = [sys.executable, "-m", "showtell_parity", folder, picture, "--text", text]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        if "No module named" in last:
            raise ConfigError(
                f"the reference is not installed here ({last}); pip install transformers, then run it again"
            )
        raise ConfigError(f"the comparison broke off: {last}")
    found: dict[str, Any] = encoding.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        raise CheckpointError(found["error"])
    return found
