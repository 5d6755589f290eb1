"""Writing checkpoints, at once or beside the training, such that a crash at any moment leaves the old or the new one.

    main thread    step | step | copy the state to memory | step | step | step | step ...
    writer                                                [ write  flush  hash | rename | delete the oldest ]

A checkpoint is written into a temporary folder, each file is flushed, a manifest with the SHA-256 of each file comes
last, then the folder is renamed. One is written at a time: a second that is due waits, so memory holds one copy at
most. A disk that refuses is raised in the main thread with its next step. Reading is `engine/state.py`.
"""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn

from showtell.core.checkpoint import fill_module, module_tensors, save_tensors, sync_folder, write_atomically
from showtell.core.errors import CheckpointError
from showtell.engine.distributed import ALONE, World, is_cut
from showtell.engine.ema import Ema
from showtell.engine.evaluation import Best
from showtell.engine.parts import save_parts
from showtell.engine.sharding import whole
from showtell.engine.state import TrainState, checkpoints, flat, sha256, written


@dataclass(frozen=True)
class Snapshot:
    """A state at one moment.

    tensors: by file and name.
    small: the rest, as JSON.
    cut: some tensors are cut over ranks, so every rank writes its part.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    small: dict[str, Any]
    cut: bool

    @classmethod
    def of(cls, state: TrainState, *, copied: bool) -> "Snapshot":
        """The state now. `copied`: into tensors of their own in the computer's memory, so that training may go on."""
        files = state.tensors()
        cut = any(is_cut(tensor) for tensors in files.values() for tensor in tensors.values())
        if copied:
            files = {kind: {n: _copied(t) for n, t in ts.items()} for kind, ts in files.items()}
        return cls(state.step, files, state.small(), cut)


class Saver:
    """Writes checkpoints of a run below `folder` and keeps the newest `keep`.

    Args:
        background: write in a thread while training goes on; costs a copy of the state in memory.
    """

    def __init__(self, state: TrainState, folder: Path, *, keep: int, background: bool, world: World = ALONE):
        self.state, self.folder, self.keep, self.background, self.world = state, folder, keep, background, world
        self.saved = state.step
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def save(self, before: Callable[[], None] = lambda: None) -> None:
        """Write the state as it is now, after `before()`; every rank calls it.

        Raises CheckpointError when the disk refuses; the checkpoints from before are then untouched.
        """
        self.wait()
        snapshot = Snapshot.of(self.state, copied=self.background)
        self.saved = snapshot.step
        if not (snapshot.cut or self.world.is_main):
            return
        if not self.background:
            self._write(snapshot, before)
            return
        self._thread = threading.Thread(target=self._guarded, args=(snapshot, before), name="showtell-saver")
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong in the thread, if something did."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self.wait()
        elif self._thread is not None:  # the run fails, but what is being written is a good checkpoint
            self._thread.join(timeout=60)

    def _guarded(self, snapshot: Snapshot, before: Callable[[], None]) -> None:
        try:
            self._write(snapshot, before)
        except Exception as error:  # whatever it is, it belongs to the main thread
            self._failure = error

    def _write(self, snapshot: Snapshot, before: Callable[[], None]) -> None:
        before()
        target = self.folder / f"step-{snapshot.step:08d}"
        temporary = self.folder / f".step-{snapshot.step:08d}.tmp"
        try:
            with written(f"{target}: the checkpoint"):
                self._fill(snapshot, temporary)
                if self.world.is_main:
                    shutil.rmtree(target, ignore_errors=True)
                    temporary.rename(target)
                    sync_folder(self.folder)
        except CheckpointError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        if self.world.is_main:
            for old in checkpoints(self.folder)[self.keep :]:
                shutil.rmtree(old)
        if snapshot.cut:
            self._together()

    def _fill(self, snapshot: Snapshot, temporary: Path) -> None:
        """Every file of a checkpoint, the manifest last."""
        if self.world.is_main:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        if snapshot.cut:
            self._together()
            save_parts(flat(snapshot.tensors), temporary, self.state.group)
            self._together()
        else:
            for kind, tensors in snapshot.tensors.items():
                save_tensors(tensors, temporary / f"{kind}.safetensors")
        if self.world.is_main:
            _write_json(temporary / "state.json", snapshot.small)
            _write_json(temporary / "manifest.json", {file.name: sha256(file) for file in sorted(temporary.iterdir())})

    def _together(self) -> None:
        with self.world.together():
            dist.barrier(group=self.state.group)


def leave_result(model: nn.Module, ema: Ema | None, best: Best | None, path: Path, world: World) -> None:
    """The result of a run in the model, and in one file: the best weights, else the averaged ones, else the last."""
    if best is not None:
        world.barrier()  # another rank may just have written them
        best.fill(model)
    elif ema is not None:
        fill_module(model, ema.shadow)
    tensors = whole(module_tensors(model))
    if world.is_main:
        with written(f"{path}: the result"):
            save_tensors(tensors, path)


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone() if tensor.device.type == "cpu" else tensor.detach().cpu()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode())
