"""Run the studio: one process, one model, one torch thread, on the loopback address unless told otherwise.

    showtell studio                 http://127.0.0.1:8765
    run(model="some/folder")        any checkpoint that `showtell.load` can read

One thread, because a page under a reader's hand shares its cores with the browser that draws it.
"""

import logging
import threading
import webbrowser

import torch
import uvicorn

from showtell.core.errors import ConfigError
from showtell.load import load
from showtell.studio.app import LOOPBACK, create_app

logger = logging.getLogger(__name__)


def run(host: str = "127.0.0.1", port: int = 8765, model: str = "pocket", open_browser: bool = False) -> None:
    """Load `model` and serve the page until interrupted.

    Raises:
        CheckpointError: the model cannot be loaded.
        ConfigError: the port is out of range or taken.
    """
    if not 0 < port < 65536:
        raise ConfigError(f"port {port} does not exist; choose one from 1 to 65535.")
    torch.set_num_threads(1)
    app = create_app(load(model), hosts=LOOPBACK | {host})
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    address = f"http://{host}:{port}"
    logger.info("the studio is open at %s", address)
    if open_browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    try:
        server.run()
    except SystemExit:  # uvicorn's way to say that it could not listen
        raise ConfigError(f"{address} cannot be opened, another program uses it; pass another --port.") from None
