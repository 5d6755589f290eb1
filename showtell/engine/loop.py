"""The one training loop, for every stage of every model.

    for each step:   seed(step)
                     for each micro-batch:   loss = step(model, batch);   loss.value.backward()
                     gradients = sum over micro-batches and ranks / trained tokens;   clip
                     optimiser at schedule(step);   average;   log;   gates;   checkpoint

It knows nothing about modality: stages differ by their `step`, their batches and their recipe. A run is resumed by
calling `train` again with the same folder, and then is bit for bit the run that was not interrupted, because all that
changes is in `TrainState` and everything else is a function of the step (`engine/state.py`, `data/order.py`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from showtell.core.checkpoint import fill_module, save_module
from showtell.engine.distributed import World, join_world
from showtell.engine.ema import Ema
from showtell.engine.interrupt import Interruption
from showtell.engine.log import RunLog
from showtell.engine.optim import set_learning_rates
from showtell.engine.schedule import Schedule
from showtell.engine.state import TrainState, seed_everything
from showtell.engine.step import Loss, Step, TrainingError, to_device


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, how precise, how often.

    max_steps: optimiser steps of the stage.
    seed: randomness inside of steps (dropout, sampling); the data have their own.
    clip_norm: largest norm of the gradient; None = no clipping.
    ema_decay: averaged weights with this decay become the result; None = the last weights are the result.
    precision: "fp32", or "bf16" for autocast of the step (weights and optimiser stay float32).
    log_every: steps between log lines.
    save_every_seconds: time between checkpoints.
    save_every_steps: steps between checkpoints, in addition; None = by time only.
    keep: checkpoints kept.
    stop_after_seconds: save and leave after so much time in this process; the next call goes on.
    stop_after_steps: the same in steps of this process.
    """

    max_steps: int
    seed: int = 0
    clip_norm: float | None = 1.0
    ema_decay: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    log_every: int = 20
    save_every_seconds: float = 300.0
    save_every_steps: int | None = None
    keep: int = 2
    stop_after_seconds: float | None = None
    stop_after_steps: int | None = None


class Stream(Protocol):
    """Micro-batches in order."""

    def __next__(self) -> Any: ...
    def take_wait(self) -> float: ...


class BatchSource(Protocol):
    """What the loop needs of `showtell.data.loader.Batches`."""

    batch_size: int
    micro_batches: int

    def start(self, step: int, rank: int, world_size: int) -> AbstractContextManager[Stream]: ...


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check before step 1 and every so many steps.

    check: called with the model in eval mode, without gradients; returns numbers for the log; raises TrainingError to
        stop the run. Must not depend on the rank.
    every: steps between checks.
    name: how the log calls it.
    averaged: look at the averaged weights when the run has some.
    """

    check: Callable[[nn.Module], Mapping[str, float]]
    every: int
    name: str = "gate"
    averaged: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    step: optimiser steps made by the run so far.
    reason: "finished", "interrupted" by a signal, or "paused" by `stop_after_*`; the last two resume when called again.
    """

    step: int
    reason: Literal["finished", "interrupted", "paused"]

    @property
    def finished(self) -> bool:
        return self.reason == "finished"


def train(
    config: LoopConfig,
    *,
    model: nn.Module,
    step: Step,
    batches: BatchSource,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    folder: str | Path,
    gates: Sequence[Gate] = (),
    on_step: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Outcome:
    """Train `model` in place, or go on where `folder` says an earlier call stopped.

    When the stage is finished, `model` holds the result (the averaged weights if `ema_decay` is set) and
    `folder/model.safetensors` holds it too. Calling a finished stage again only loads that.

    Args:
        optimizer: from `make_optimizer`; its groups carry their `peak_lr`.
        schedule: factor of the peak rates by step.
        on_step: called after each step with its number and metrics; may raise to stop the run.

    Raises TrainingError when the loss or a gradient is not finite, a batch has nothing to train on, or a gate closes.
    """
    folder, world, began = Path(folder), join_world(), time.monotonic()
    ema = Ema(model, config.ema_decay) if config.ema_decay is not None else None
    notes = {"batch_size": batches.batch_size, "seed": config.seed}
    state = TrainState(model, optimizer, ema, notes=notes)
    damaged: list[str] = []
    state.resume(folder / "checkpoints", report=damaged.append)
    world.broadcast_parameters(model)
    first, saved, saved_at = state.step, state.step, began
    reason: Literal["finished", "interrupted", "paused"] = "finished"
    meter = Meter(batches.batch_size, config.max_steps)
    model.train()
    with (
        RunLog(folder, config.max_steps, step=first, active=world.is_main, name=folder.name) as log,
        Interruption() as interruption,
        batches.start(first, world.rank, world.size) as stream,
    ):
        for sentence in damaged:
            log.say(sentence)
        if first == 0:
            run_gates(gates, model, ema, 0, log)
        while state.step < config.max_steps:
            seed_everything(config.seed, state.step, world.rank)
            set_learning_rates(optimizer, schedule(state.step))
            metrics = accumulate(model, step, stream, batches.micro_batches, optimizer, config, world, state.step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            if ema is not None:
                ema.update(state.step)

            metrics["lr"] = max(group["lr"] for group in optimizer.param_groups)
            meter.add(metrics, stream.take_wait())
            if state.step % config.log_every == 0 or state.step == config.max_steps:
                log.event("step", state.step, metrics | meter.read(state.step))
            if on_step is not None:
                on_step(state.step, metrics)
            run_gates(gates, model, ema, state.step, log)

            now = time.monotonic()
            out_of_time = config.stop_after_seconds is not None and now - began >= config.stop_after_seconds
            out_of_steps = config.stop_after_steps is not None and state.step - first >= config.stop_after_steps
            due = now - saved_at >= config.save_every_seconds or (
                config.save_every_steps is not None and state.step % config.save_every_steps == 0
            )
            # Clocks and signals differ between ranks; the sum is the decision they share.
            votes = [interruption.wanted, out_of_time or out_of_steps, due]
            interrupted, paused, due = (vote > 0 for vote in world.sum(votes, device_of(model)))
            if state.step < config.max_steps and (interrupted or paused):
                reason = "interrupted" if interrupted else "paused"
                break
            if due and world.is_main:
                state.save(folder / "checkpoints", config.keep)
                saved, saved_at = state.step, now

        if saved != state.step and world.is_main:
            state.save(folder / "checkpoints", config.keep)
        if reason != "finished":
            log.say(f"{reason} at step {state.step}; run the same command to resume")
    if reason == "finished":
        if ema is not None:
            fill_module(model, ema.shadow)
        if world.is_main:
            save_module(model, folder / "model.safetensors")
    world.barrier()
    return Outcome(state.step, reason)


def accumulate(
    model: nn.Module,
    step: Step,
    stream: Stream,
    micro_batches: int,
    optimizer: torch.optim.Optimizer,
    config: LoopConfig,
    world: World,
    number: int,
) -> dict[str, float]:
    """Leave the token-normalised, clipped gradient of one optimiser step in `.grad`; return its metrics."""
    device = device_of(model)
    losses: list[Loss] = []
    for _ in range(micro_batches):
        batch = to_device(next(stream), device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
            loss = step(model, batch)
        loss.value.backward()
        losses.append(Loss(loss.value.detach(), float(loss.weight), {k: number_of(v) for k, v in loss.parts.items()}))

    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    world.sum_gradients(parameters)
    value, weight = world.sum([sum(float(x.value) for x in losses), sum(x.weight for x in losses)], device)
    if not weight > 0:
        raise TrainingError(f"step {number + 1}: the batch has no trained tokens; look at its loss masks")
    if not value - value == 0:  # infinity and NaN alike
        raise TrainingError(f"step {number + 1}: the loss is {value / weight}; the last checkpoint is from before")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients)) / weight
    if not norm - norm == 0:
        raise TrainingError(f"step {number + 1}: {first_bad_gradient(model)}; the last checkpoint is from before")
    scale = min(1.0, config.clip_norm / (norm + 1e-6)) if config.clip_norm is not None else 1.0
    torch._foreach_mul_(gradients, scale / weight)

    own = sum(x.weight for x in losses) or 1.0
    names = {name for x in losses for name in x.parts}
    parts = {name: sum(x.weight * x.parts.get(name, 0.0) for x in losses) / own for name in sorted(names)}
    return {"loss": value / weight, "grad_norm": norm, "weight": weight, **parts}


def first_bad_gradient(model: nn.Module) -> str:
    """A sentence naming the first parameter, in module order, whose gradient is not finite."""
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return "the norm of the gradient overflows although each gradient is finite"


def run_gates(gates: Sequence[Gate], model: nn.Module, ema: Ema | None, step: int, log: RunLog) -> None:
    """Run the checks due at `step` in eval mode and log their numbers."""
    for gate in (gate for gate in gates if step % gate.every == 0):
        model.eval()
        with torch.no_grad():
            if gate.averaged and ema is not None:
                with ema.swapped_in():
                    numbers = gate.check(model)
            else:
                numbers = gate.check(model)
        model.train()
        log.event(gate.name, step, dict(numbers))


class Meter:
    """Speeds over the steps since the last reading."""

    def __init__(self, batch_size: int, max_steps: int):
        self.batch_size, self.max_steps = batch_size, max_steps
        self._reset()

    def _reset(self) -> None:
        self.began, self.steps, self.weight, self.value, self.wait = time.perf_counter(), 0, 0.0, 0.0, 0.0

    def add(self, metrics: Mapping[str, float], wait: float) -> None:
        self.steps += 1
        self.weight += metrics["weight"]
        self.value += metrics["loss"] * metrics["weight"]
        self.wait += wait

    def read(self, step: int) -> dict[str, float]:
        """Mean loss and rates since the last call; `wait_percent` is the share of time spent waiting for data."""
        seconds = time.perf_counter() - self.began
        rates = {
            "loss_mean": self.value / self.weight,
            "samples_per_second": self.steps * self.batch_size / seconds,
            "tokens_per_second": self.weight / seconds,
            "wait_percent": 100 * self.wait / seconds,
            "seconds_per_step": seconds / self.steps,
            "eta_seconds": seconds / self.steps * (self.max_steps - step),
        }
        self._reset()
        return {name: round(value, 6) for name, value in rates.items()}


def number_of(value: Tensor | float) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device

