"""The gradient of one optimiser step, token-normalised over micro-batches and ranks.

    gradient = sum over ranks and micro-batches of d(value)  /  sum over ranks and micro-batches of weight

Dividing once at the end makes accumulation and many ranks equal to one big batch, whatever the lengths; the mean of
per-micro-batch means would not (Hugging Face transformers had that error until October 2024). Division and clipping
are one multiplication. A loss or gradient that is not finite stops the run before the optimiser sees it.
"""

import math
from collections import defaultdict
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from showtell.engine.distributed import World
from showtell.engine.step import NotFinite, Step, TrainingError, to_device


@runtime_checkable
class Stream(Protocol):
    """Micro-batches in order; `take_wait` gives the seconds waited for them since it was last asked."""

    def __next__(self) -> Any: ...
    def take_wait(self) -> float: ...


def accumulate(
    model: nn.Module,
    step: Step,
    stream: Stream,
    micro_batches: int,
    precision: Literal["fp32", "bf16"],
    seen: list[Any] | None = None,
) -> dict[str, float]:
    """Run `step` and its backward pass on the next micro-batches; gradients of the *sums* are left in `.grad`.

    Returns sums over the micro-batches of this rank: `value`, `weight`, and `part:name` weighted by the weight. `seen`
    is left with one micro-batch for an autopsy: the first whose loss is not finite, else the last.
    """
    device = device_of(model)
    sums: defaultdict[str, float] = defaultdict(float)
    for _ in range(micro_batches):
        batch = to_device(next(stream), device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = step(model, batch)
        loss.value.backward()
        weight, value = _number(loss.weight), _number(loss.value)
        if seen is not None and math.isfinite(sums["value"]):
            seen[:] = [batch]
        sums["value"] += value
        sums["weight"] += weight
        for name, part in loss.parts.items():
            sums[f"part:{name}"] += _number(part) * weight
    return dict(sums)


def normalise(
    model: nn.Module,
    parameters: list[nn.Parameter],
    sums: dict[str, float],
    world: World,
    clip_norm: float | None,
    number: int,
) -> dict[str, float]:
    """Turn summed gradients into the mean over all trained tokens of all ranks, clipped; return the step's metrics.

    Raises TrainingError when there is nothing to train on or when the loss or a gradient is not finite.
    """
    world.sum_gradients(parameters)
    value, weight = world.sum([sums["value"], sums["weight"]], device_of(model))
    if not weight > 0:
        raise TrainingError(f"step {number}: the batch has no trained tokens (weight {weight}); look at its loss masks")
    parts = {k.removeprefix("part:"): v / (sums["weight"] or 1.0) for k, v in sums.items() if k.startswith("part:")}
    if not math.isfinite(value):
        shown = "".join(f", {name} {part:.4g}" for name, part in parts.items())
        raise NotFinite(f"step {number}: the loss is {value / weight}{shown}; the weights are those of the last step")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients)) / weight
    if not math.isfinite(norm):
        raise NotFinite(f"step {number}: {_first_bad(model)}; the weights are those of the last step")
    clip = 1.0 if clip_norm is None else min(1.0, clip_norm / (norm + 1e-6))
    torch._foreach_mul_(gradients, clip / weight)
    return {"loss": value / weight, "grad_norm": norm, "weight": weight, **parts}


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _number(value: Tensor | float) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _first_bad(model: nn.Module) -> str:
    """A sentence naming the first parameter, in module order, whose gradient is not finite."""
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return "the norm of the gradient overflows although each element is finite"
