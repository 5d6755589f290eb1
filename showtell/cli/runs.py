"""`runs [FOLDER]`: the runs below a folder side by side: how far, how well, how fast, and their curves.

    showtell runs                       runs/, one line a run with a sparkline of its loss
    showtell runs runs/pocket --json    every point of every curve
    showtell runs --draw curves.png     the curves in one picture, loss on a logarithmic scale

Only logs are read, so a run that is going on can be looked at. Not here: reading them (`engine/history.py`).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table

from showtell.cli import console
from showtell.cli.options import Json
from showtell.core.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

    from showtell.engine.history import Run

BARS = "▁▂▃▄▅▆▇█"
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))
Folder = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="Where runs are.")]
Draw = Annotated[str, tyro.conf.arg(metavar="PNG", help="Draw the loss curves into this file.")]


def runs(folder: Folder = "runs", draw: Draw = "", json: Json = False) -> int:
    """List and compare the runs below a folder."""
    from showtell.engine.history import find_runs

    if not Path(folder).is_dir():
        raise DataError(f"{folder} is no folder; give the folder that `showtell train --folder` was told")
    found = find_runs(Path(folder))
    if not found:
        raise DataError(f"{folder} holds no run: no log.jsonl at or below it")
    if draw:
        curves(found).save(draw)
    if json:
        console.emit({"runs": [vars(run) | {"loss": run.loss} for run in found]})
    else:
        console.out.print(table(found))
    return 0


def table(found: "Sequence[Run]") -> Table:
    """One line a run."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, side in (("run", "left"), ("steps", "right"), ("loss", "right"), ("least", "right"), ("curve", "left"),
                          ("samples/s", "right"), ("hours", "right"), ("state", "left")):  # fmt: skip
        shown.add_column(heading, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for run in found:
        least = run.least
        shown.add_row(
            run.name,
            f"{run.step:,}" if run.of is None else f"{run.step:,}/{run.of:,}",
            "" if run.loss is None else f"{run.loss:.4g}",
            "" if least is None else f"{least[1]:.4g}",
            sparkline([loss for _, loss in run.curve]),
            f"{run.last['samples_per_second']:.3g}" if "samples_per_second" in run.last else "",
            f"{run.seconds / 3600:.2f}",
            state(run),
        )
    return shown


def state(run: "Run") -> str:
    """Where a run stands, in words."""
    words = "finished" if run.finished else "not finished"
    return words + (f", resumed {run.resumes} x" if run.resumes else "")


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The curve in one line of text, highest value highest; not a number is a gap."""
    if not values:
        return ""
    width = min(width, len(values))
    groups = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [sum(group) / len(group) for group in groups]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] if math.isfinite(mean) else " " for mean in means)


def curves(found: "Sequence[Run]", size: tuple[int, int] = (960, 540)) -> "Image":
    """Every curve in one picture: steps to the right, loss upwards on a logarithmic scale."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    lines = [[p for p in run.curve if p[1] > 0 and math.isfinite(p[1])] for run in found]
    points = [point for line in lines for point in line]
    if not points:
        raise DataError("no run has a loss above zero to draw; look at the table instead")
    most = max(step for step, _ in points)
    low, high = (math.log(f(loss for _, loss in points)) for f in (min, max))
    left, top, right, bottom = 70, 20, size[0] - 20, size[1] - 40

    def place(step: int, loss: float) -> tuple[float, float]:
        x = left + (right - left) * step / max(most, 1)
        return x, bottom - (bottom - top) * (math.log(loss) - low) / ((high - low) or 1.0)

    picture = Pillow.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left, top, right, bottom), outline=(200, 200, 200))
    for number in range(5):
        loss = math.exp(low + (high - low) * number / 4)
        height = place(0, loss)[1]
        pen.line((left, height, right, height), fill=(230, 230, 230))
        pen.text((8, height - 6), f"{loss:.4g}", fill="black")
    pen.text((left, bottom + 10), "0", fill="black")
    pen.text((right - 50, bottom + 10), f"{most:,}", fill="black")
    for number, (run, line) in enumerate(zip(found, lines, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        if len(line) > 1:
            pen.line([place(*point) for point in line], fill=colour, width=2)
        pen.text((right - 200, top + 8 + 14 * number), run.name, fill=colour)
    return picture
