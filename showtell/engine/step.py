"""What a training step is: a function of a model and a batch that returns summed losses with their weight.

    step(model, batch) -> Loss(value = sum over trained tokens of -log p, weight = number of trained tokens)

The loop divides the summed gradient of all micro-batches and ranks by the summed weight, once. A mean per micro-batch
would weigh the tokens of a short micro-batch more than those of a long one; here accumulation, ranks and one big
batch give the same gradient. The loop is `engine/loop.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from showtell.core.errors import ShowtellError


class TrainingError(ShowtellError):
    """A run that must not go on: a loss that is not a number, a batch with nothing to learn, a closed gate."""


class NotFinite(TrainingError):
    """A loss or a gradient that is not a number; `engine/autopsy.py` finds out where it came from."""


@dataclass(frozen=True)
class Loss:
    """The loss of one micro-batch, before division.

    value: scalar tensor, the *sum* over what is trained on; add an auxiliary mean as `mean * weight`.
    weight: how much was summed, usually the number of trained tokens.
    parts: means to show in the log (`{"lm": 1.2, "mask": 0.3}`); never used for gradients.
    """

    value: Tensor
    weight: Tensor | float
    parts: Mapping[str, Tensor | float] = field(default_factory=dict)


Step = Callable[[Any, Any], Loss]  # of a model of the step's own kind


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on `device`; follows `.to`, mappings, sequences and dataclasses."""
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        moved = {f.name: to_device(getattr(batch, f.name), device) for f in dataclasses.fields(batch) if f.init}
        return dataclasses.replace(batch, **moved)
    return batch
