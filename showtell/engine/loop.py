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
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import nn

from showtell.core.checkpoint import fill_module, save_module
from showtell.engine.autopsy import autopsy
from showtell.engine.distributed import join_world
from showtell.engine.ema import Ema
from showtell.engine.gates import Gate, run_gates
from showtell.engine.gradient import Stream, accumulate, device_of, normalise
from showtell.engine.interrupt import Interruption
from showtell.engine.log import RunLog
from showtell.engine.meter import Meter
from showtell.engine.optim import set_learning_rates
from showtell.engine.schedule import Schedule
from showtell.engine.state import TrainState, seed_everything, tidy, written
from showtell.engine.step import NotFinite, Step


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


@runtime_checkable
class BatchSource(Protocol):
    """What the loop needs of `showtell.data.loader.Batches`."""

    batch_size: int
    micro_batches: int

    def start(self, step: int, rank: int, world_size: int) -> AbstractContextManager[Stream]: ...


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
    world.broadcast_parameters(model)
    ema = Ema(model, config.ema_decay) if config.ema_decay is not None else None
    notes = {"batch_size": batches.batch_size, "seed": config.seed}
    state = TrainState(model, optimizer, ema, notes=notes)
    damaged: list[str] = []
    state.resume(folder / "checkpoints", report=damaged.append)
    world.barrier()
    if world.is_main:
        tidy(folder / "checkpoints", state.step, config.keep)
    first, saved, saved_at = state.step, state.step, began
    reason: Literal["finished", "interrupted", "paused"] = "finished"
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    seen: list[Any] = []
    meter = Meter(batches.batch_size, config.max_steps)
    model.train()
    with (
        Interruption() as interruption,
        batches.start(first, world.rank, world.size) as stream,  # forks, so before the log starts its threads
        RunLog(folder, config.max_steps, step=first, active=world.is_main, name=folder.name) as log,
    ):
        for sentence in damaged:
            log.say(sentence)
        if first == 0:
            run_gates(gates, model, ema, 0, log)
        while state.step < config.max_steps:
            seed_everything(config.seed, state.step, world.rank)
            set_learning_rates(optimizer, schedule(state.step))
            sums = accumulate(model, step, stream, batches.micro_batches, config.precision, seen)
            try:
                metrics = normalise(model, parameters, sums, world, config.clip_norm, state.step + 1)
            except NotFinite as error:
                kept = folder / "stopped" / f"step-{state.step + 1:08d}-rank-{world.rank}.safetensors"
                raise autopsy(error, model, step, seen[0], kept) from error
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
                log.sync()
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
            with written(f"{folder / 'model.safetensors'}: the result"):
                save_module(model, folder / "model.safetensors")
    world.barrier()
    return Outcome(state.step, reason)
