"""Batches made ahead of time by other processes, in an order that does not depend on how many there are.

    global batch of step t   = positions [t B, (t+1) B)
    rank r of W              = its r-th contiguous slice of B/W positions, cut into `micro_batches` pieces
    piece m                  = made by worker m mod workers, read back in order

(Or cut by what samples cost, `data/budget.py`; the samples of a step are the same.)

Each worker knows by itself which pieces are its own, so there is no task queue; it stops at a full pipe, so what is
ready is bounded. A thread of the main process reads the pipes round robin into a short queue. A failing `make` is
raised in the main process with the position of the sample; a worker that dies closes its pipe and is named too.
How one piece travels from a worker to the main process is `data/workers.py`.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from showtell.core.errors import ConfigError
from showtell.data.budget import Budget, Budgeted
from showtell.data.sample import Batch, Collate, Make
from showtell.data.workers import Method, Workers, build


@runtime_checkable
class Cut(Protocol):
    """How the samples of a step are cut into micro-batches of one rank.

    first: number of the step's first micro-batch.   after: of the one that follows, if need be in the next step.
    positions: the samples of a micro-batch.          count: micro-batches of the step.
    """

    def first(self, step: int) -> int: ...
    def after(self, piece: int) -> int: ...
    def positions(self, piece: int) -> Sequence[int]: ...
    def count(self, step: int) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Equal slices; see the drawing above. Where the batch does not divide, slices differ by one sample."""

    batch_size: int
    micro_batches: int
    rank: int
    world_size: int

    def first(self, step: int) -> int:
        return step * self.micro_batches

    def after(self, piece: int) -> int:
        return piece + 1

    def count(self, step: int) -> int:
        return self.micro_batches

    def positions(self, piece: int) -> range:
        """Global positions of the samples of micro-batch `piece`, counted over the whole run."""
        step, micro = divmod(piece, self.micro_batches)
        slices, number = self.world_size * self.micro_batches, self.rank * self.micro_batches + micro
        start = step * self.batch_size
        return range(start + self.batch_size * number // slices, start + self.batch_size * (number + 1) // slices)


class Batches:
    """A source of batches that can start at any step: `with batches.start(step) as stream: next(stream)`.

    Args:
        make: global position -> sample, pure.
        collate: list of samples -> batch, pure.
        batch_size: samples of one optimiser step, over all ranks and micro-batches.
        micro_batches: into how many pieces a rank cuts its share (gradient accumulation).
        workers: processes that make batches; 0 = a thread of this process.
        prefetch: batches kept ready beyond the one each worker holds.
        method: how workers start. "fork" is immediate and shares what `make` holds; "forkserver" wants a picklable
            `make` and a main module that can be imported, and is needed when `make` itself uses CUDA.
        uneven: let slices differ by one sample where the batch does not divide; a loss that is a sum over tokens is the
            same (`engine/gradient.py`), one that compares the samples of a rank may not be.
        budget: cut each step by what its samples cost instead of into equal slices (`data/budget.py`).
    """

    def __init__(
        self,
        make: Make,
        collate: Collate,
        *,
        batch_size: int,
        micro_batches: int = 1,
        workers: int = 0,
        prefetch: int = 2,
        method: Method = "fork",
        uneven: bool = False,
        budget: Budget | None = None,
    ):
        self.make, self.collate = make, collate
        self.batch_size, self.micro_batches = batch_size, micro_batches
        self.workers, self.prefetch, self.method = workers, max(1, prefetch), method
        self.uneven, self.budget = uneven, budget

    def start(self, step: int = 0, rank: int = 0, world_size: int = 1) -> "BatchStream":
        """The micro-batches of this rank from optimiser step `step` on.

        Raises ConfigError when the batch cannot be cut evenly.
        """
        slices = world_size if self.budget is not None else world_size * self.micro_batches
        if self.batch_size % slices and not (self.uneven and self.budget is None and self.batch_size >= slices):
            raise ConfigError(
                f"batch_size {self.batch_size} cannot be cut evenly into {world_size} ranks "
                f"x {self.micro_batches} micro-batches"
            )
        cut: Cut = Pieces(
            batch_size=self.batch_size, micro_batches=self.micro_batches, rank=rank, world_size=world_size
        )
        if self.budget is not None:
            cut = Budgeted(self.budget, self.batch_size, rank, world_size)
        return BatchStream(self, cut, cut.first(step))


class BatchStream(Iterator[Batch]):
    """Endless micro-batches; `wait` is the time in seconds that `next` has blocked since `take_wait`."""

    def __init__(self, batches: Batches, pieces: Cut, first: int):
        self.wait = 0.0
        self._batches, self._pieces, self._first, self._next = batches, pieces, first, first
        self._ready: queue.Queue[Any] = queue.Queue(batches.prefetch)
        self._closed = threading.Event()
        self._error: Exception | None = None
        self._workers = Workers(batches, pieces, first) if batches.workers else None
        self._thread = threading.Thread(target=self._fill, name="showtell-batches", daemon=True)
        self._thread.start()

    def __next__(self) -> Batch:
        if self._error is None:
            began = time.perf_counter()
            item = self._ready.get()
            self.wait += time.perf_counter() - began
            if not isinstance(item, Exception):
                self._next = self._pieces.after(self._next)
                return item
            self._error = item
            self.close()
        raise self._error

    def pieces(self, step: int) -> int:
        """Micro-batches of this rank in a step; the same on every rank."""
        return self._pieces.count(step)

    def positions(self) -> Sequence[int]:
        """The samples of the micro-batch that `next` gives next."""
        return self._pieces.positions(self._next)

    def take_wait(self) -> float:
        """Seconds waited for data since the last call."""
        wait, self.wait = self.wait, 0.0
        return wait

    def close(self) -> None:
        """Stop the workers and the thread; safe to call twice."""
        self._closed.set()
        if self._error is None:
            self._error = ConfigError("this stream of batches is closed; start another one")
        if self._workers is not None:
            self._workers.stop()
        deadline = time.monotonic() + 5
        while self._thread.is_alive() and time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):  # make room for what the thread wants to put before it looks up
                self._ready.get_nowait()
            self._thread.join(timeout=0.01)

    def __enter__(self) -> "BatchStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self) -> None:
        piece = self._first
        while not self._closed.is_set():
            try:
                item = self._workers.receive(piece) if self._workers else self._build(piece)
            except Exception as error:  # whatever it is, it belongs to whoever waits in `next`
                item = error
            self._ready.put(item)  # blocks without looking at the clock: a wake-up costs the step more than it seems
            if isinstance(item, Exception):
                return
            piece = self._pieces.after(piece)

    def _build(self, piece: int) -> Batch:
        return build(self._batches.make, self._batches.collate, self._pieces.positions(piece))
