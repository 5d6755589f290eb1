"""Run the studio: one process, one model, one torch thread, on the loopback address unless told otherwise.

    showtell studio                 http://127.0.0.1:8765
    run(model="some/folder")        any checkpoint that `showtell.load` can read

The port is taken before the model is loaded, so that a port in use is said at once. One thread, because a page under a
reader's hand shares its cores with the browser that draws it.
"""

import contextlib
import logging
import socket
import threading
import urllib.request
import webbrowser
from http.client import HTTPException

import torch
import uvicorn

from showtell.core.errors import ConfigError
from showtell.instruct.published import Published
from showtell.load import load
from showtell.studio.app import LOOPBACK, create_app
from showtell.studio.series.page import WRITTEN

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})

logger = logging.getLogger(__name__)


def run(host: str = "127.0.0.1", port: int = 8765, model: str = "pocket", open_browser: bool = False) -> None:
    """Load `model` and serve the page until interrupted.

    Raises:
        CheckpointError: the model cannot be loaded.
        ConfigError: the address cannot be listened on.
    """
    with listen(host, port) as listener:
        torch.set_num_threads(1)
        assistant = load(model)
        if isinstance(assistant, Published):
            raise ConfigError(
                f"{assistant.name} is a {assistant.kind}; the page asks models with showtell's own template"
            )
        # Under a name given by the network the page must answer whatever name readers use; alone here, only its own.
        hosts = None if host in EVERY_ADDRESS else LOOPBACK | {host}
        app = create_app(assistant, hosts=hosts)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        address = f"http://{host}:{port}"
        logger.info("the studio is open at %s", address)
        from_here = f"http://127.0.0.1:{port}" if host in EVERY_ADDRESS else address
        threading.Thread(target=warm, args=[from_here], daemon=True).start()
        if open_browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how a studio closes
            server.run(sockets=[listener])


def warm(address: str) -> None:
    """Visit every chapter once, so that its first reader does not wait for the chapter to be built."""
    with contextlib.suppress(OSError, ValueError, HTTPException):  # closed before it was warm, or an odd host name
        for number in sorted(WRITTEN):
            with urllib.request.urlopen(f"{address}/part/{number}") as reply:
                reply.read()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the host is unknown, or the port does not exist or is taken.
    """
    if not 0 < port < 65536:
        raise ConfigError(f"port {port} does not exist; choose one from 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
        # asyncio sets this only on sockets that name their protocol; without it small answers wait 40 ms for an ACK
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]  # Python repeats the address in brackets
        raise ConfigError(f"http://{host}:{port} cannot be opened ({why}); choose another --port or --host") from error
