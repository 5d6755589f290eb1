"""The gradient of one optimiser step, token-normalised over micro-batches and ranks.

    gradient = sum over ranks and micro-batches of d(value)  /  sum over ranks and micro-batches of weight

Dividing once at the end makes accumulation and many ranks equal to one big batch, whatever the lengths; the mean of
per-micro-batch means would not (Hugging Face transformers had that error until October 2024). Division and clipping
are one multiplication. A loss or gradient that is not finite stops the run before the optimiser sees it.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from showtell.engine.distributed import World, local
from showtell.engine.flight import Flight
from showtell.engine.precision import Precision, autocast
from showtell.engine.sharding import gathered
from showtell.engine.step import Loss, NotFinite, Step, TrainingError, to_device


class Overflow(NotFinite):
    """A gradient that is not finite while the loss is: with scaled fp16 gradients, a sign to scale less."""


@runtime_checkable
class Stream(Protocol):
    """Micro-batches in order.

    take_wait: seconds waited for them since it was last asked.
    pieces: how many micro-batches this rank has in a step.
    positions: the samples of the micro-batch that comes next.
    """

    def __next__(self) -> Any: ...
    def take_wait(self) -> float: ...
    def pieces(self, step: int) -> int: ...
    def positions(self) -> Sequence[int]: ...


def accumulate(
    model: nn.Module,
    step: Step,
    stream: Stream,
    micro_batches: int,
    precision: Precision,
    seen: list[Any] | None = None,
    *,
    scale: float = 1.0,
    flight: Flight | None = None,
) -> dict[str, float]:
    """Run `step` and its backward pass on the next micro-batches; gradients of the *sums* are left in `.grad`.

    Returns sums over the micro-batches of this rank: `value`, `weight`, and `part:name` weighted by the weight. `seen`
    is left with one micro-batch for an autopsy: the first whose loss is not finite, else the last. Gradients are
    `scale` times what they are called.
    """
    device = device_of(model)
    sums: defaultdict[str, float] = defaultdict(float)
    for _ in range(micro_batches):
        if flight is not None:
            positions = stream.positions()
            flight.samples = (min(positions), max(positions))
            flight.at("the wait for the next batch")
        batch = to_device(next(stream), device)
        if flight is not None:
            flight.at("the step")

        def compute(batch: Any = batch) -> tuple[Tensor, Loss]:
            with autocast(device, precision):
                loss = step(model, batch)
            return loss.value, loss  # the tensor by itself, for those who wait for its backward pass

        summed, loss = gathered(model, compute)
        (summed if scale == 1.0 else summed * scale).backward()
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
    scale: float = 1.0,
) -> dict[str, float]:
    """Turn summed gradients into the mean over all trained tokens of all ranks, clipped; return the step's metrics.

    Raises TrainingError when there is nothing to train on or when the loss or a gradient is not finite.
    """
    device = device_of(model)
    world.sum_gradients(parameters)
    value, weight = world.sum([sums["value"], sums["weight"]], device)
    if not weight > 0:
        raise TrainingError(f"step {number}: the batch has no trained tokens (weight {weight}); look at its loss masks")
    parts = {k.removeprefix("part:"): v / (sums["weight"] or 1.0) for k, v in sums.items() if k.startswith("part:")}
    if not math.isfinite(value):
        shown = "".join(f", {name} {part:.4g}" for name, part in parts.items())
        raise NotFinite(f"step {number}: the loss is {value / weight}{shown}; the weights are those of the last step")
    gradients = [p.grad for p in parameters if p.grad is not None]
    scaled = weight * scale
    norm = world.norm(gradients, device) / scaled
    if not math.isfinite(norm):
        raise Overflow(f"step {number}: {_first_bad(model)}; the weights are those of the last step")
    clip = 1.0 if clip_norm is None else min(1.0, clip_norm / (norm + 1e-6))
    torch._foreach_mul_([local(gradient) for gradient in gradients], clip / scaled)
    return {"loss": value / weight, "grad_norm": norm, "weight": weight, **parts}


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _number(value: Tensor | float) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _first_bad(model: nn.Module) -> str:
    """A sentence naming the first parameter, in module order, whose gradient is not finite."""
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(local(parameter.grad)).all()):
            return f"the gradient of {name} is not finite"
    return "the norm of the gradient overflows although each element is finite"
