"""Two processes on one run, for tests: forked, since torch is imported already, and never waited for without an end."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SIZE = 2


def launch(work: Callable[..., None], *arguments: Any, said: Path | None = None, seconds: float = 60) -> list[int]:
    """`work(rank, *arguments)` on two ranks; their exit codes. `said` gets what they write to stderr."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context: Any = multiprocessing.get_context("fork")
    ranks = [context.Process(target=_rank, args=(rank, port, said, work, arguments)) for rank in range(SIZE)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=seconds)
    codes = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()
        rank.join()
    assert None not in codes, "a rank hangs"
    return codes


def _rank(rank: int, port: int, said: Path | None, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(SIZE), "RANK": str(rank)}
    if said is not None:
        sys.stderr = open(f"{said}-{rank}", "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    work(rank, *arguments)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    os._exit(0)
