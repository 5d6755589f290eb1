"""What `classify`, `index`, `search` and `embed` share: model, pictures of a folder, progress, sheets."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from showtell.cli import console
from showtell.core.errors import ConfigError, DataError, ImageError

if TYPE_CHECKING:
    import numpy as np

    from showtell.contrastive.embedder import PairEmbedder
    from showtell.images.decode import Picture
    from showtell.images.sheet import Cell

SHEETS = (".png", ".jpg", ".jpeg", ".webp")
MOST_CELLS = 60

PairModel = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME",
        help="pocket-clip (inside the package), or the folder or hub id of a CLIP, SigLIP or OpenCLIP checkpoint.",
    ),
]
Draw = Annotated[Path | None, tyro.conf.arg(metavar="SHEET.png", help="Write the pictures found on one sheet.")]


def embedder_of(model: str) -> "PairEmbedder":
    """The model as an embedder; raises ConfigError for one that has none."""
    from showtell.instruct.embedding import embedder_of as made
    from showtell.load import load

    return made(load(model))


def pictures_below(places: Sequence[str]) -> list[Path]:
    """Picture files that are named, or lie in the folders named; raises DataError when there are none."""
    from showtell.contrastive.index import SUFFIXES

    found: list[Path] = []
    for place in map(Path, places):
        if place.is_file():
            found.append(place)
        elif place.is_dir():
            below = (Path(root) / name for root, _, names in sorted(os.walk(place)) for name in sorted(names))
            held = [path for path in below if path.suffix.lower() in SUFFIXES and not hidden(path, place)]
            if not held:
                raise DataError(f"{place} holds no pictures ({', '.join(sorted(SUFFIXES))})")
            found += held
        else:
            raise DataError(f"{place}: no such file or folder; check the path")
    if not found:
        raise ConfigError("no picture was given; name a folder, or picture files")
    return found


def hidden(path: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(place).parts)


def decoded(
    paths: Sequence[Path], bad: list[dict[str, str]], batch: int = 32
) -> Iterator[list[tuple[Path, "Picture"]]]:
    """Pictures in batches; those that cannot be read are named in `bad` instead."""
    from showtell.images.decode import decode

    for first in range(0, len(paths), batch):
        ready = []
        for path in paths[first : first + batch]:
            try:
                ready.append((path, decode(path)))
            except (ImageError, OSError) as error:
                bad.append({"picture": str(path), "why": str(error)})
        yield ready


@contextmanager
def progress(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr: call it with what is done and what there is in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console.err, transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def check_sheet(path: Path | None) -> None:
    """Refuse an unusable sheet before any work is done."""
    if path is None:
        return
    if path.suffix.lower() not in SHEETS:
        raise ConfigError(f"{path}: unknown picture format; use one of {', '.join(SHEETS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist; create it first")


def save_sheet(path: Path, cells: Sequence["Cell"], heading: str, note: str, query: "np.ndarray | None" = None) -> None:
    """Draw and write a sheet, and say so."""
    from showtell.images.sheet import draw_sheet

    try:
        draw_sheet(cells[:MOST_CELLS], heading, note, query=query).save(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error
    console.note(f"drawn: {path}")


def pixels_of(path: Path) -> "np.ndarray | None":
    """A picture for a sheet; None for a file that is gone or cannot be read any more."""
    from showtell.images.decode import decode

    try:
        return decode(path).pixels
    except (ImageError, OSError):
        return None
