"""Loader processes: each makes every k-th micro-batch and sends it through its own pipe.

    worker 0:  piece 0, 2, 4, ...  --pipe-->  \\
    worker 1:  piece 1, 3, 5, ...  --pipe-->   main reads 0, 1, 2, 3, ... in turn

A pipe that nobody reads blocks its worker: that is the whole flow control. A worker whose main process was killed
finds its pipe closed and leaves; a main process whose worker was killed reads the end of the pipe. Tensors travel as
numpy arrays in one pickle, which needs neither shared memory nor file descriptors. Order and batching are
`data/loader.py`.
"""

import contextlib
import fcntl
import io
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal

import torch

from showtell.core.errors import DataError
from showtell.data.sample import Batch, Collate, Make

if TYPE_CHECKING:
    from showtell.data.loader import Batches, Cut

Method = Literal["fork", "forkserver"]


@dataclass(frozen=True)
class Failure:
    """What a worker sends instead of a batch."""

    message: str
    trace: str

    def error(self) -> DataError:
        error = DataError(self.message)
        error.add_note(self.trace)
        return error


def build(make: Make, collate: Collate, positions: Sequence[int]) -> Batch:
    """One micro-batch; an exception becomes a DataError that names the position."""
    samples = []
    for position in positions:
        try:
            samples.append(make(position))
        except Exception as error:
            raise DataError(
                f"sample at position {position} could not be made: {type(error).__name__}: {error}"
            ) from error
    try:
        return collate(samples)
    except Exception as error:
        raise DataError(
            f"samples at positions {min(positions)} to {max(positions)} could not be collated: "
            f"{type(error).__name__}: {error}"
        ) from error


class Workers:
    """The processes of one stream and the reading ends of their pipes."""

    def __init__(self, batches: "Batches", pieces: "Cut", first: int):
        context: Any = multiprocessing.get_context(batches.method)
        self.pieces, self.turn = pieces, 0
        self.processes: list[Any] = []
        self.pipes: list[Connection] = []
        for number in range(batches.workers):
            reader, writer = context.Pipe(duplex=False)
            _widen(reader)
            # A forked worker must not keep its siblings' pipes open, or nobody would notice the main process's death.
            inherited = [*self.pipes, reader] if batches.method == "fork" else []
            process = context.Process(
                target=_work,
                args=(batches.make, batches.collate, pieces, first, batches.workers, writer, inherited),
                name=f"showtell-loader-{number}",
                daemon=True,
            )
            process.start()
            first = pieces.after(first)
            writer.close()
            self.processes.append(process)
            self.pipes.append(reader)

    def receive(self, piece: int) -> Batch:
        """Block until micro-batch `piece` is here; they are asked for in order.

        Raises DataError when its sample could not be made or its worker is gone.
        """
        number, self.turn = self.turn % len(self.pipes), self.turn + 1
        try:
            item = pickle.loads(self.pipes[number].recv_bytes())
        except (EOFError, OSError) as error:
            self.processes[number].join(timeout=1)
            positions = self.pieces.positions(piece)
            raise DataError(
                f"loader worker {number} died (exit code {self.processes[number].exitcode}) while making the samples "
                f"at positions {min(positions)} to {max(positions)}; a negative code is a signal, -9 often means "
                "out of memory"
            ) from error
        if isinstance(item, Failure):
            raise item.error()
        return item

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()


def _work(
    make: Callable[[int], Any],
    collate: Callable[[list], Any],
    pieces: "Cut",
    piece: int,
    stride: int,
    pipe: Connection,
    inherited: list[Connection],
) -> None:
    # Ctrl-C reaches the whole process group, but the main process decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    for other in inherited:
        other.close()
    while True:
        try:
            item = build(make, collate, pieces.positions(piece))
        except DataError as error:
            item = Failure(str(error), traceback.format_exc())
        try:
            pipe.send_bytes(_pickled(item))
        except OSError:  # the main process is gone
            os._exit(0)
        if isinstance(item, Failure):
            return
        for _ in range(stride):
            piece = pieces.after(piece)


class _Pickler(pickle.Pickler):
    """Tensors as numpy arrays: one copy, instead of torch's own archive format."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor and value.dtype != torch.bfloat16 and value.device.type == "cpu":
            return torch.from_numpy, (value.detach().numpy(),)
        return NotImplemented


def _pickled(item: Any) -> memoryview:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(item)
    return buffer.getbuffer()


def _widen(pipe: Connection) -> None:
    """A larger pipe (Linux): sixteen times fewer switches between worker and reader for each batch."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the user's pipe quota is used up; the usual size works too
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
