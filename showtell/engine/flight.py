"""Where every rank is, so that a run which hangs or loses a rank stops with a sentence and not after half an hour.

    flight/rank-0   step 12 | since 14:02:11 | the forward pass of blocks.3 | samples 96 to 99     a few bytes a rank,
    flight/rank-1   step 12 | since 14:02:11 | the next batch               | samples 100 to 103    mapped into memory

    hang     nothing moves for `hang_seconds`:  every rank is named with its module and its samples, stacks are written,
             the process ends; a collective cannot be interrupted otherwise
    loss     a collective fails:  the ranks that are left sign, and whoever has not signed is named with its last place

Writing a place costs a microsecond. The files lie beside the checkpoints, where all ranks can read them, and survive
the process that wrote them.
"""

import faulthandler
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from showtell.engine.autopsy import tensors_of
from showtell.engine.distributed import RankLost, World
from showtell.engine.step import TrainingError

LAYOUT = struct.Struct("<q d q q 128s 360s")  # step, since, first and last sample, place, why it left
HUNG = 75  # exit code: a temporary failure, try again
SIGNING = 2.0  # seconds the others are given to say that they are still there
LOST = "lost the others"


@dataclass(frozen=True)
class Place:
    """Where a rank is or was last.

    why: the sentence it left with; empty while it is there, LOST when others left it.
    """

    step: int
    since: float
    samples: tuple[int, int]
    where: str
    why: str

    def said(self) -> str:
        first, last = self.samples
        return f"in {self.where}" + (f" with samples {first} to {last}" if last >= first else "")


class Flight:
    """The record of this rank, and a thread that looks whether it moves.

    Args:
        folder: of the run; records are in `folder/flight`.
        hang_seconds: without any movement, after which the run ends; None = never.
        end: called with the sentence when it hangs.
    """

    def __init__(
        self, folder: Path, world: World, hang_seconds: float | None, end: Callable[[str], None] | None = None
    ):
        self.folder, self.world, self.hang_seconds = folder / "flight", world, hang_seconds
        self.end = end or self._end
        self.record = self._mapped()
        self.step, self.moved = 0, time.monotonic()
        self.samples = (0, -1)  # first and last; none yet
        self._hooks: list[Any] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="showtell-flight", daemon=True)

    def _mapped(self) -> mmap.mmap:
        """The record; on a disk that is full it is for this rank alone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path(self.world.rank).write_bytes(bytes(LAYOUT.size))
            with open(self._path(self.world.rank), "r+b") as file:
                return mmap.mmap(file.fileno(), LAYOUT.size)
        except OSError:
            return mmap.mmap(-1, LAYOUT.size)

    def at(self, where: str, why: str = "") -> None:
        """This rank is at a new place."""
        self.moved = time.monotonic()
        texts = where.encode()[:128], why.encode()[:360]
        LAYOUT.pack_into(self.record, 0, self.step, time.time(), *self.samples, *texts)

    def follow(self, model: nn.Module) -> None:
        """Note each pass of the model through its larger parts, in both directions."""
        for name, module in model.named_modules():
            if name and name.count(".") <= 3 and any(True for _ in module.children()):
                self._follow(name, module)

    def _follow(self, name: str, module: nn.Module) -> None:
        forward, backward = f"the forward pass of {name}", f"the backward pass of {name}"

        def after(module: nn.Module, arguments: Any, output: Any) -> None:
            for _, tensor in tensors_of(output):
                if tensor.requires_grad:
                    tensor.register_hook(lambda _: self.at(backward))

        # First in line, before the hooks that gather cut parameters and may wait for another rank there.
        self._hooks.append(module.register_forward_pre_hook(lambda *_: self.at(forward), prepend=True))
        self._hooks.append(module.register_forward_hook(after, prepend=True))

    def places(self) -> dict[int, Place]:
        """The record of every rank that has one."""
        found = {}
        for rank in range(self.world.size):
            try:
                step, since, first, last, where, why = LAYOUT.unpack(self._path(rank).read_bytes())
            except (OSError, struct.error):
                continue
            texts = [text.rstrip(b"\0").decode(errors="replace") for text in (where, why)]
            found[rank] = Place(step, since, (first, last), texts[0], texts[1])
        return found

    def lost(self) -> str:
        """Who is gone, in a sentence; the ranks that are left wait for one another a moment."""
        deadline = time.monotonic() + SIGNING
        while time.monotonic() < deadline and len([p for p in self.places().values() if p.why]) < self.world.size:
            time.sleep(0.05)
        places = self.places()
        said = [f"rank {r} stopped ({p.why})" for r, p in places.items() if p.why and p.why != LOST]
        said += [
            f"rank {rank} died without a word at step {place.step + 1}, {place.said()} (killed, out of memory, or its "
            "machine is gone)"
            for rank, place in places.items()
            if not place.why
        ]
        return "; ".join(said) or "it cannot be said which"

    def _watch(self) -> None:
        assert self.hang_seconds is not None
        while not self._done.wait(min(1.0, self.hang_seconds / 4)):
            if time.monotonic() - self.moved > self.hang_seconds:
                return self.end(self._hung())

    def _hung(self) -> str:
        stacks = self.folder.parent / "stopped" / f"hang-rank-{self.world.rank}.txt"
        stacks.parent.mkdir(parents=True, exist_ok=True)
        with open(stacks, "w", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        before = self.places()
        time.sleep(min(1.0, self.hang_seconds or 0.0))  # a rank that waits for another one stops a moment after it
        places = {rank: place if place.why != LOST else before[rank] for rank, place in self.places().items()}
        said = [f"rank {rank} is {place.said()}" for rank, place in places.items()]
        return (
            f"step {self.step + 1} has not moved for {self.hang_seconds:g} s: {'; '.join(said)}. The stacks are in "
            f"{stacks}. Run the same command to resume from the last checkpoint"
        )

    @staticmethod
    def _end(sentence: str) -> None:
        Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)
        os._exit(HUNG)

    def start(self) -> None:
        """Begin to look; only now, because loader processes are forked before and threads do not survive that."""
        self.at("its first step")
        if self.hang_seconds is not None:
            self._thread.start()

    def __enter__(self) -> "Flight":
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for hook in self._hooks:
            hook.remove()

    def _path(self, rank: int) -> Path:
        return self.folder / f"rank-{rank}"


@contextmanager
def roll_call(flight: Flight) -> Iterator[None]:
    """An error signs the record, so that the other ranks can say why this one left; a lost rank is named."""
    try:
        yield
    except RankLost as error:
        flight.at("a collective", LOST)
        raise TrainingError(
            f"rank {flight.world.rank} of {flight.world.size}: another rank has died or left: {flight.lost()}; run the "
            "same command to resume from the last checkpoint"
        ) from error
    except BaseException as error:
        flight.at("an error", f"{error}" or type(error).__name__)
        raise
