"""When a loss or a gradient is not a number: which tensor was the first, and the batch that did it, kept on disk.

    step 812: the loss is nan; first in the output of decoder.blocks.3.mlp (SiLU); the batch is kept in
    runs/x/stopped/step-00000812-rank-0.safetensors

The batch is computed once more with an eye on every module; the weights are still those of the last good step. The
tensors of the batch are stored under their path in it (`packed.pixels`), nothing is pickled. What stops the run is
`engine/gradient.py`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from showtell.core.checkpoint import save_tensors
from showtell.engine.step import NotFinite, Step


def autopsy(error: NotFinite, model: nn.Module, step: Step, batch: Any, path: Path) -> NotFinite:
    """The error with what was found out: the first tensor that is not finite, and where the batch is kept."""
    with torch.no_grad():
        first = first_not_finite(model, step, batch)
    found = f"first in {first}" if first else "computed once more, every tensor of the forward pass is finite"
    try:
        save_tensors(dict(tensors_of(batch)), path)
        kept = f"the batch is kept in {path}"
    except OSError as failure:
        kept = f"the batch could not be kept ({failure.strerror or failure})"
    return NotFinite(f"{error}; {found}; {kept}")


def first_not_finite(model: nn.Module, step: Step, batch: Any) -> str | None:
    """What is not finite first, in the order of computation: weights, the batch, a module's input or its output."""
    for name, tensor in model.state_dict().items():
        if not _finite(tensor):
            return f"the weights {name}"
    for name, tensor in tensors_of(batch):
        if not _finite(tensor):
            return f"the batch itself: {name}"
    found: list[str] = []

    def watch(name: str, module: nn.Module) -> Any:
        called = f"{name or 'the model'} ({type(module).__name__})"

        def before(_: nn.Module, arguments: Any, named: Any) -> None:
            if not found and not all(_finite(t) for _, t in tensors_of([arguments, named])):
                found.append(f"the input of {called}")

        def after(_: nn.Module, arguments: Any, output: Any) -> None:
            if not found and not all(_finite(t) for _, t in tensors_of(output)):
                found.append(f"the output of {called}")

        return module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)

    handles = [handle for name, module in model.named_modules() for handle in watch(name, module)]
    try:
        loss = step(model, batch)
    finally:
        for handle in handles:
            handle.remove()
    if not found and not _finite(loss.value):
        return "the loss itself: all modules gave finite tensors"
    return found[0] if found else None


def tensors_of(batch: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) of every tensor in nested mappings, sequences and dataclasses."""
    if isinstance(batch, Tensor):
        yield path or "batch", batch
    elif dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        for field in dataclasses.fields(batch):
            yield from tensors_of(getattr(batch, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from tensors_of(value, f"{path}.{key}".lstrip("."))
    elif isinstance(batch, list | tuple):
        for number, value in enumerate(batch):
            yield from tensors_of(value, f"{path}.{number}".lstrip("."))


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
