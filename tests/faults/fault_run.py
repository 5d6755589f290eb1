"""The engine's tiny task in a child process that dies where it is told to, and what must be equal afterwards.

    child:  run ... save [ write  fsync  rename  fsync | write ... | manifest | rename folder | unlink old ... ] ... run
                             ^ at the n-th of these calls: kill -9, and what was not flushed to disk is cut in half

`fsync` itself is left out: a process that is killed loses nothing that the kernel holds. A power cut does, which is why
a file is cut in the middle of what was written since its last fsync.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engine_task import make_model, run

STEPS = 9
OPTIONS: dict[str, Any] = {"max_steps": STEPS, "save_every_steps": 3}
DISK_CALLS = ("fsync", "replace", "rename", "unlink", "rmdir")


def go(folder: Path, **options: Any) -> None:
    """One process of the run, from wherever the folder says."""
    with patch("os.fsync", lambda handle: None):
        assert run(folder, make_model(), **(OPTIONS | options)).finished


def in_child(work: Callable[[], object]) -> int:
    """Exit code of a forked process that does `work`; a negative one is the signal it died of."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(timeout=60)
    alive = child.is_alive()
    child.kill()
    child.join()
    assert not alive, "the run hangs"
    assert child.exitcode is not None
    return child.exitcode


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at_disk_call(number: int, folder: Path, **options: Any) -> None:
    """The run, killed instead of its `number`-th call that makes something on disk last."""
    calls = 0
    flushed: dict[str, int] = {}  # bytes of each file that a power cut leaves alone

    def flush(handle: int) -> None:
        name, size = os.readlink(f"/proc/self/fd/{handle}"), os.fstat(handle).st_size
        if calls == number and not os.path.isdir(name):
            os.ftruncate(handle, (flushed.get(name, 0) + size) // 2)
        flushed[name] = size

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if name == "fsync":
                flush(*arguments)
            if calls == number:
                die()
            return None if name == "fsync" else real(*arguments, **named)

        return call

    for name in DISK_CALLS:
        setattr(os, name, counted(name))
    run(folder, make_model(), **(OPTIONS | options))


def outcome(folder: Path) -> tuple[list[str], bytes]:
    """The figures of every step, as they were written, and the bytes of the result."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    figures = [[line[key] for key in ("step", "loss", "grad_norm", "worst", "lr")] for line in lines if is_step(line)]
    return [json.dumps(row) for row in figures], (folder / "model.safetensors").read_bytes()


def is_step(line: dict[str, Any]) -> bool:
    return line["event"] == "step"
