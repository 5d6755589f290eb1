"""`studio`: serve the page on this machine. Not here: the page (`showtell/studio/`)."""

from typing import Annotated

import tyro

from showtell.cli import console
from showtell.cli.options import Json, Model
from showtell.core.errors import ConfigError

EXTRA = frozenset({"starlette", "uvicorn", "anyio", "markdown_it", "multipart"})


def studio(
    model: Model = "pocket",
    host: Annotated[str, tyro.conf.arg(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, tyro.conf.arg(help="The port to listen on.")] = 8765,
    open_browser: Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(name="open", help="Open it.")] = False,
    json: Json = False,
) -> int:
    """Serve the page: show a picture, ask, and see where the answer came from (Ctrl-C stops it)."""
    try:
        from showtell.studio.serve import run
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise ConfigError(
                f'{error.name} is missing; install the page with: pip install "showtell[studio]"'
            ) from error
        raise
    address = f"http://{host}:{port}"
    if json:
        console.emit({"address": address, "model": model})
    else:
        console.note(f"the studio opens at {address} (Ctrl-C stops it)")
    run(host=host, port=port, model=model, open_browser=open_browser)
    return 0
