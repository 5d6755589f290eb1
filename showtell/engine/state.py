"""The state of a training run on disk, such that a resumed run is the same run.

    checkpoints/
      step-00001200/   model.safetensors  optimizer.safetensors  [ema.safetensors]  state.json  manifest.json
      step-00001800/   ...                                                          (the last two are kept)

A checkpoint is written into a temporary folder, each file is flushed, a manifest with the SHA-256 of each file comes
last, then the folder is renamed. At resume the newest folder whose hashes agree is taken; a damaged one is reported
and skipped. No random-generator state is stored, because none is needed: every step seeds all generators from
(seed, step, rank), and data are a function of the position. Nothing is pickled. What a killed process left behind is
swept away by `tidy` when its run goes on.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from showtell.core.checkpoint import (
    fill_module,
    load_tensors,
    module_tensors,
    save_tensors,
    sync_folder,
    write_atomically,
)
from showtell.core.errors import CheckpointError
from showtell.engine.ema import Ema


def seed_everything(seed: int, step: int, rank: int = 0) -> None:
    """Seed python, numpy and torch for one step, so that randomness is a function of the step and not of history."""
    mixed = int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0])
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)
    torch.manual_seed(mixed)


@dataclass
class TrainState:
    """What changes during training.

    model, optimizer, ema: the objects themselves, filled in place by `load`.
    step: optimiser steps made.
    notes: small JSON facts of the run that `load` compares (`batch_size`, `seed`).
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None = None
    step: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, keep: int = 2) -> Path:
        """Write `folder/step-N` atomically and delete all but the newest `keep`.

        Raises CheckpointError when the disk refuses; the checkpoints from before are then untouched.
        """
        target = folder / f"step-{self.step:08d}"
        temporary = folder / f".step-{self.step:08d}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            with written(f"{target}: the checkpoint"):
                temporary.mkdir(parents=True)
                self._write(temporary)
                shutil.rmtree(target, ignore_errors=True)
                temporary.rename(target)
                sync_folder(folder)
        except CheckpointError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for old in checkpoints(folder)[keep:]:
            shutil.rmtree(old)
        return target

    def _write(self, temporary: Path) -> None:
        save_tensors(module_tensors(self.model), temporary / "model.safetensors")
        save_tensors(_optimizer_tensors(self.model, self.optimizer), temporary / "optimizer.safetensors")
        if self.ema is not None:
            save_tensors(self.ema.shadow, temporary / "ema.safetensors")
        _write_json(temporary / "state.json", {"step": self.step, "notes": self.notes})
        _write_json(temporary / "manifest.json", {file.name: _sha256(file) for file in sorted(temporary.iterdir())})

    def load(self, checkpoint: Path) -> None:
        """Fill everything from one checkpoint folder.

        Raises CheckpointError when it is damaged, or belongs to another model or another data order.
        """
        if problem := damage(checkpoint):
            raise CheckpointError(f"{checkpoint}: {problem}")
        self._fill(checkpoint)

    def _fill(self, checkpoint: Path) -> None:
        saved = json.loads((checkpoint / "state.json").read_text())
        for name, value in self.notes.items():
            if name in saved["notes"] and saved["notes"][name] != value:
                raise CheckpointError(
                    f"{checkpoint}: this run was started with {name} = {saved['notes'][name]} and is now asked to go "
                    f"on with {value}; use the old value or another folder"
                )
        fill_module(self.model, load_tensors(checkpoint / "model.safetensors"), f"{checkpoint}/model.safetensors")
        _fill_optimizer(self.model, self.optimizer, load_tensors(checkpoint / "optimizer.safetensors"), checkpoint)
        if self.ema is not None:
            self.ema.fill(load_tensors(checkpoint / "ema.safetensors"))
        self.step = saved["step"]

    def resume(self, folder: Path, report: Callable[[str], None]) -> bool:
        """Load the newest valid checkpoint below `folder`; False when there is none. `report` hears of damaged ones.

        Raises CheckpointError when there are some and all are damaged: starting anew would silently throw them away.
        """
        problem: str | None = None
        for candidate in checkpoints(folder):
            if problem := damage(candidate):
                report(f"{candidate.name} is damaged ({problem}); trying the one before")
                continue
            self._fill(candidate)
            return True
        if problem is not None:
            raise CheckpointError(
                f"none of the {len(checkpoints(folder))} checkpoints in {folder} can be trusted; "
                "restore one from a copy, or delete the folder to start from the beginning"
            )
        return False


@contextmanager
def written(what: str) -> Iterator[None]:
    """A disk that refuses to write becomes one sentence about `what`."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{what} cannot be written ({error.strerror or error}); the one before is intact, make room and run the "
            "same command to resume from it"
        ) from error


def tidy(folder: Path, step: int, keep: int) -> None:
    """Remove what a killed process left: half-written folders, those after `step` (damaged), and more than `keep`."""
    for leftover in folder.glob(".step-*.tmp"):
        shutil.rmtree(leftover)
    for leftover in folder.parent.glob(".*.tmp"):
        leftover.unlink()
    later = [path for path in checkpoints(folder) if int(path.name.removeprefix("step-")) > step]
    earlier = [path for path in checkpoints(folder) if path not in later]
    for old in [*later, *earlier[keep:]]:
        shutil.rmtree(old)


def damage(checkpoint: Path) -> str | None:
    """Why a checkpoint folder cannot be trusted, or None when every file has the hash of the manifest."""
    try:
        manifest: dict[str, str] = json.loads((checkpoint / "manifest.json").read_text())
        if not {"model.safetensors", "optimizer.safetensors", "state.json"} <= set(manifest):
            return "manifest.json does not list all files"
        for name, digest in manifest.items():
            if not (checkpoint / name).is_file():
                return f"{name} is missing"
            if _sha256(checkpoint / name) != digest:
                return f"{name} does not have the hash of the manifest"
    except (OSError, ValueError, AttributeError) as error:
        return f"manifest.json cannot be read: {error}"
    return None


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments under the names of their parameters: `blocks.0.attn.q.weight:exp_avg`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}:{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
    }


def _fill_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], checkpoint: Path
) -> None:
    """Learning rates and decays stay those of the code; only the moments come from disk."""
    parameters = dict(model.named_parameters())
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    state: dict[Tensor, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, moment = key.rpartition(":")
        if name not in parameters or id(parameters[name]) not in trained:
            raise CheckpointError(f"{checkpoint}: the optimiser state names {name}, which this run does not train")
        parameter = parameters[name]
        state.setdefault(parameter, {})[moment] = value if moment == "step" else value.to(parameter.device)
    optimizer.state.clear()
    optimizer.state.update(state)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode())
