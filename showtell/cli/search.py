"""`index`, `search` and `embed`: a folder of pictures that can be asked for with words or with another picture.

    showtell index photos                        vectors beside the pictures; again: only what changed
    showtell search photos "a dog on a beach" --draw found.png
    showtell search photos like-this.jpg
    showtell embed "a red flower" rose.jpg       the vectors themselves, and how they compare

Not here: how an index is kept (`contrastive/index.py`).
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table
from rich.text import Text

from showtell.cli import console
from showtell.cli.options import Json
from showtell.cli.pairs import Draw, PairModel, check_sheet, embedder_of, pixels_of, progress, save_sheet
from showtell.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

    from showtell.contrastive.embedder import PairEmbedder
    from showtell.contrastive.index import Hit, PictureIndex, Update

Folder = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR", help="A folder of pictures.")]
Query = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="WORDS|PICTURE", help='What to look for: "words in quotes", or a picture file.'),
]
Place = Annotated[
    Path | None,
    tyro.conf.arg(metavar="INDEX", help="Where the index is kept; DIR/.showtell-index where nothing is said."),
]
Things = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="WORDS|PICTURE…", help="Texts in quotes and picture files.", help_behavior_hint=""),
]
PICTURE_LIKE = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp")


def index(directory: Folder, /, model: PairModel = "pocket-clip", place: Place = None, json: Json = False) -> int:
    """Index a folder of pictures for search; again brings the index up to date."""
    found = open_index(directory, model, place)
    began = time.monotonic()
    update = bring_up_to_date(found)
    seconds = time.monotonic() - began
    told = {
        "folder": directory,
        "index": str(found.place),
        "model": found.embedder.name,
        "pictures": len(found),
        **vars(update),
        "seconds": round(seconds, 2),
    }
    if json:
        console.emit(told)
        return 0
    console.out.print(Text(f"{len(found):,} pictures", style="bold"), Text(f"in {found.place}", style="dim"))
    console.note(
        f"{update.embedded:,} looked at, {update.reused:,} known by content, {update.removed:,} gone · "
        f"{found.embedder.name} · {seconds:.1f} s"
    )
    if update.quarantined:
        console.note(f"{update.quarantined:,} could not be read: {found.place / 'quarantine.jsonl'} says why")
    return 0


def search(
    directory: Folder,
    query: Query,
    /,
    model: PairModel = "pocket-clip",
    most: Annotated[int, tyro.conf.arg(help="Pictures to show.")] = 12,
    place: Place = None,
    draw: Draw = None,
    json: Json = False,
) -> int:
    """Find the pictures of a folder that fit words, or that are like another picture."""
    if most < 1:
        raise ConfigError(f"--most {most}: at least one picture is to be shown")
    check_sheet(draw)
    picture = as_picture(query)
    found = open_index(directory, model, place)
    if not len(found):
        bring_up_to_date(found)
    began = time.monotonic()
    hits = found.search_text(query, most) if picture is None else found.search_picture(picture, most)
    milliseconds = 1000 * (time.monotonic() - began)
    if draw is not None:
        draw_hits(draw, found, hits, query, None if picture is None else picture.pixels)
    if json:
        console.emit({"query": query, "milliseconds": round(milliseconds, 1), "hits": [vars(hit) for hit in hits]})
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    for hit in hits:
        table.add_row(Text(f"{hit.score:.3f}", style="cyan"), Text(str(Path(directory) / hit.path)))
    console.out.print(table)
    console.note(f"{len(found):,} pictures · {found.embedder.name} · {milliseconds:.0f} ms")
    return 0


def embed(
    things: Things,
    /,
    model: PairModel = "pocket-clip",
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="OUT.safetensors", help="Write the vectors there, one row a thing.")
    ] = None,
    json: Json = False,
) -> int:
    """Give the vectors of texts and pictures, and their cosines."""
    if not things:
        raise ConfigError(
            'nothing was given; name pictures, or texts in quotes: showtell embed "a red flower" rose.jpg'
        )
    if out is not None and out.suffix != ".safetensors":
        raise ConfigError(f"--out {out}: vectors are written as .safetensors; give that ending")
    kinds = ["text" if as_picture(thing) is None else "picture" for thing in things]
    embedder = embedder_of(model)
    vectors = embedded(embedder, things)
    if out is not None:
        from showtell.core.checkpoint import save_tensors

        save_tensors({"vectors": vectors}, out, {"model": embedder.name, "key": embedder.key})
        console.note(f"written: {out}  {len(vectors)} x {embedder.dim}")
    for thing, kind, vector in zip(things, kinds, vectors, strict=True):
        if json:
            console.emit({"input": thing, "kind": kind, "model": embedder.name, "vector": vector.tolist()})
        elif len(things) == 1 and out is None:
            console.out.print(" ".join(f"{value:.4f}" for value in vector.tolist()))
    if not json and len(things) > 1:
        show_cosines(things, vectors)
    return 0


def embedded(embedder: "PairEmbedder", things: tuple[str, ...]) -> "Tensor":
    """One unit vector a thing, in order."""
    import torch

    rows = []
    for thing in things:
        picture = as_picture(thing)
        rows.append(embedder.texts([thing]) if picture is None else embedder.pictures([picture]))
    return torch.cat(rows)


def as_picture(thing: str) -> Any:
    """The picture that `thing` names, or None where it is words.

    Raises DataError for what looks like a picture file and is not there, ImageError for one that cannot be read.
    """
    path = Path(thing)
    if not thing.strip():
        raise DataError("the description is empty; say what the pictures should show")
    if len(thing) < 1000 and path.is_file():
        from showtell.images.decode import decode

        return decode(path)
    if path.suffix.lower() in PICTURE_LIKE and " " not in thing:
        raise DataError(f"{thing}: no such picture; check the path, or describe it in words")
    return None


def open_index(directory: str, model: str, place: Path | None) -> "PictureIndex":
    if not Path(directory).is_dir():
        raise DataError(f"{directory} is not a folder; give one that holds pictures")
    from showtell.contrastive.index import PictureIndex

    return PictureIndex(directory, embedder_of(model), place)


def bring_up_to_date(found: "PictureIndex") -> "Update":
    with progress("looking at pictures") as tell:
        return found.update(tell)


def draw_hits(path: Path, found: "PictureIndex", hits: list["Hit"], query: str, pixels: Any) -> None:
    """The sheet of a search; bars run from the scores of the folder's middle to the best one."""
    from showtell.images.sheet import Cell

    top, low = (hits[0].score, min(hits[-1].score, 0.0)) if hits else (1.0, 0.0)
    cells = [
        Cell(
            pixels=pixels_of(found.folder / hit.path),
            label=Path(hit.path).stem.replace("_", " "),
            note=f"{hit.score:.2f}  {Path(hit.path).parent.as_posix() if '/' in hit.path else ''}",
            share=(hit.score - low) / max(top - low, 1e-6),
        )
        for hit in hits
    ]
    heading = f"“{query}”" if pixels is None else f"like {Path(query).name}"
    note = f"best {len(hits)} of {len(found):,} pictures · {found.embedder.name}"
    save_sheet(path, cells, heading, note, pixels)


def show_cosines(things: tuple[str, ...], vectors: "Tensor") -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("cosine", style="dim")
    for i in range(len(things)):
        table.add_column(str(i + 1), justify="right")
    for i, thing in enumerate(things):
        cells = [
            Text(f"{float(vectors[i] @ other):.2f}", style="bold" if i != j else "dim")
            for j, other in enumerate(vectors)
        ]
        table.add_row(Text(f"{i + 1}  {thing[:60]}"), *cells)
    console.out.print(table)
