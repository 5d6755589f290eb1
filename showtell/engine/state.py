"""The state of a training run on disk, such that a resumed run is the same run.

    checkpoints/
      step-00001200/   model.safetensors  optimizer.safetensors  [ema.safetensors]  state.json  manifest.json
      step-00001800/   ...                                                          (the last two are kept)

At resume the newest folder whose hashes agree with its manifest is taken; a damaged one is reported and skipped. No
random-generator state is stored, because none is needed: every step seeds all generators from (seed, step, rank), and
data are a function of the position. Nothing is pickled. A run whose parameters are cut over ranks has its parts in the
place of the three files (`engine/parts.py`); either kind is read by either kind of run. Writing is `engine/saver.py`.
What a killed process left behind is swept away by `tidy` when its run goes on.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from showtell.core.checkpoint import check_fit, load_tensors, module_tensors
from showtell.core.errors import CheckpointError
from showtell.engine.distributed import ALONE, World
from showtell.engine.ema import Ema
from showtell.engine.parts import PART, load_parts, names_in_parts
from showtell.engine.sharding import fill_cut


def seed_everything(seed: int, step: int, rank: int = 0) -> None:
    """Seed python, numpy and torch for one step, so that randomness is a function of the step and not of history."""
    mixed = int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0])
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)
    torch.manual_seed(mixed)


@runtime_checkable
class Remembered(Protocol):
    """Something small that has to survive a restart: a loss scale, the best score so far."""

    def to_json(self) -> dict[str, Any]: ...
    def from_json(self, content: dict[str, Any]) -> None: ...


@dataclass
class TrainState:
    """What changes during training.

    model, optimizer, ema: the objects themselves, filled in place by `load`.
    step: optimiser steps made.
    notes: small JSON facts of the run that `load` compares (`batch_size`, `seed`).
    others: what else is remembered, by name.
    group: processes that read and write parts together; None = all of them.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None = None
    step: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    others: Mapping[str, Remembered] = field(default_factory=dict)
    group: Any = None

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All tensors of the state by file and name: the very ones, not copies."""
        files = {"model": module_tensors(self.model), "optimizer": _optimizer_tensors(self.model, self.optimizer)}
        return files | ({"ema": self.ema.shadow} if self.ema is not None else {})

    def small(self) -> dict[str, Any]:
        """The rest of the state, as JSON."""
        return {"step": self.step, "notes": self.notes} | {name: kept.to_json() for name, kept in self.others.items()}

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
        if any(checkpoint.glob(PART)):
            moments = [name for name in sorted(names_in_parts(checkpoint)) if name.startswith("optimizer.")]
            self._room_for_moments([name.removeprefix("optimizer.") for name in moments], checkpoint)
            load_parts(flat(self.tensors()), checkpoint, self.group)
        else:
            self._fill_from_files(checkpoint)
        for name, kept in self.others.items():
            if name in saved:
                kept.from_json(saved[name])
        self.step = saved["step"]

    def _fill_from_files(self, checkpoint: Path) -> None:
        saved = {kind: load_tensors(checkpoint / f"{kind}.safetensors") for kind in self.tensors()}
        check_fit(module_tensors(self.model), saved["model"], f"{checkpoint}/model.safetensors")
        self._room_for_moments(saved["optimizer"], checkpoint)
        for kind, tensors in self.tensors().items():
            check_fit(tensors, saved[kind], f"{checkpoint}/{kind}.safetensors")
            fill_cut(tensors, saved[kind])

    def _room_for_moments(self, names: Iterable[str], checkpoint: Path) -> None:
        """Empty moments under `parameter:moment`; learning rates and decays stay those of the code."""
        parameters = dict(self.model.named_parameters())
        trained = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        state: dict[Tensor, dict[str, Tensor]] = {}
        for key in names:
            name, _, moment = key.rpartition(":")
            if name not in parameters or id(parameters[name]) not in trained:
                raise CheckpointError(f"{checkpoint}: the optimiser state names {name}, which this run does not train")
            parameter = parameters[name].detach()
            scalar = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state.setdefault(parameters[name], {})[moment] = scalar if moment == "step" else torch.zeros_like(parameter)
        self.optimizer.state.clear()
        self.optimizer.state.update(state)

    def resume(self, folder: Path, report: Callable[[str], None], world: World = ALONE) -> bool:
        """Load the newest valid checkpoint below `folder`; False when there is none. `report` hears of damaged ones.

        Each rank checks its share of the files, and all take the same checkpoint. Raises CheckpointError when there are
        some and all are damaged: starting anew would silently throw them away.
        """
        problem: str | None = None
        found = checkpoints(folder)
        for candidate in found:
            here = damage(candidate, world.rank, world.size)
            (ranks,) = world.sum([here is not None], next(self.model.parameters()).device)
            if ranks:
                problem = here or "another rank found it"
                report(f"{candidate.name} is damaged ({problem}); trying the one before")
                continue
            self._fill(candidate)
            return True
        if problem is not None:
            raise CheckpointError(
                f"none of the {len(found)} checkpoints in {folder} can be trusted; "
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


def damage(checkpoint: Path, rank: int = 0, size: int = 1) -> str | None:
    """Why a checkpoint folder cannot be trusted, or None when every file has the hash of the manifest.

    Of many ranks each hashes its share of the files, counted round; only together they know.
    """
    try:
        manifest: dict[str, str] = json.loads((checkpoint / "manifest.json").read_text())
        tensors = {"model.safetensors", "optimizer.safetensors"} <= set(manifest) or any(
            Path(name).match(PART) for name in manifest
        )
        if not tensors or "state.json" not in manifest:
            return "manifest.json does not list all files"
        for number, (name, digest) in enumerate(manifest.items()):
            if not (checkpoint / name).is_file():
                return f"{name} is missing"
            if number % size == rank and sha256(checkpoint / name) != digest:
                return f"{name} does not have the hash of the manifest"
    except (OSError, ValueError, AttributeError) as error:
        return f"manifest.json cannot be read: {error}"
    return None


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def flat(files: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by `file.name` in one mapping."""
    return {f"{kind}.{name}": tensor for kind, tensors in files.items() for name, tensor in tensors.items()}


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments under the names of their parameters: `blocks.0.attn.q.weight:exp_avg`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}:{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
    }


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
