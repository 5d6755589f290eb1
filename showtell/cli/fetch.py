"""`fetch`: bring a model to this machine, so that it opens without a network afterwards."""

from pathlib import Path
from typing import Annotated, Any

import tyro

from showtell.cli import console
from showtell.cli.options import Json

Name = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="NAME",
        help="A hub id (org/name, org/name@revision, org/name/file.gguf), smollm2-135m-instruct, efficientnet-lite0, "
        "or smol-llava for the two it grows on.",
    ),
]
Revision = Annotated[str | None, tyro.conf.arg(metavar="NAME", help="A tag, branch or commit of a hub id.")]


def fetch(name: Name, /, revision: Revision = None, json: Json = False) -> int:
    """Download a published model into the cache and say where it is."""
    from showtell.load import fetch_model

    place = fetch_model(name, revision)
    found = summary(name, place)
    if json:
        console.emit(found)
    else:
        console.out.print(f"{found['path']}  {found['megabytes']:.1f} MB in {len(found['files'])} files")
        console.note(f'showtell card {name}    showtell.load("{name}")')
    return 0


def summary(name: str, place: Path) -> dict[str, Any]:
    """The folder (or file), its files and their size."""
    files = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    return {"name": name, "path": str(place), "files": [path.name for path in files], "megabytes": megabytes}
