"""The one training loop, for every stage of every model.

    for each step:   seed(step)
                     for each micro-batch:   loss = step(model, batch);   loss.value.backward()
                     gradients = sum over micro-batches and ranks / trained tokens;   clip
                     optimiser at schedule(step);   average;   log;   gates;   evaluation;   checkpoint

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
import torch.distributed as dist
from torch import nn

from showtell.engine.autopsy import autopsy
from showtell.engine.distributed import World, is_cut, join_world
from showtell.engine.ema import Ema
from showtell.engine.evaluation import Best, Evaluation
from showtell.engine.flight import Flight, roll_call
from showtell.engine.gates import Gate, run_gates
from showtell.engine.gradient import Overflow, Stream, accumulate, device_of, normalise
from showtell.engine.interrupt import Interruption
from showtell.engine.log import RunLog
from showtell.engine.meter import Meter
from showtell.engine.optim import set_learning_rates
from showtell.engine.precision import LossScale, Precision, deterministic
from showtell.engine.saver import Saver, leave_result
from showtell.engine.schedule import Schedule
from showtell.engine.state import TrainState, seed_everything, tidy
from showtell.engine.step import NotFinite, Step

Reason = Literal["finished", "early", "interrupted", "paused"]


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long, how precise, how often.

    max_steps: optimiser steps of the stage.
    seed: randomness inside of steps (dropout, sampling); the data have their own.
    clip_norm: largest norm of the gradient; None = no clipping.
    ema_decay: averaged weights with this decay become the result; None = the last weights are the result.
    precision: "fp32", or "bf16" or "fp16" for autocast of the step (weights and optimiser stay float32); gradients of
        fp16 are scaled (`engine/precision.py`).
    deterministic: refuse operations that could give other bits the next time.
    log_every: steps between log lines.
    save_every_seconds: time between checkpoints.
    save_every_steps: steps between checkpoints, in addition; None = by time only.
    save_in_background: write them while training goes on; costs a copy of the state in memory.
    keep: checkpoints kept.
    stop_after_seconds: save and leave after so much time in this process; the next call goes on.
    stop_after_steps: the same in steps of this process.
    hang_seconds: stop, naming rank, module and samples, after so long without any movement; None = never.
    """

    max_steps: int
    seed: int = 0
    clip_norm: float | None = 1.0
    ema_decay: float | None = None
    precision: Precision = "fp32"
    deterministic: bool = False
    log_every: int = 20
    save_every_seconds: float = 300.0
    save_every_steps: int | None = None
    save_in_background: bool = False
    keep: int = 2
    stop_after_seconds: float | None = None
    stop_after_steps: int | None = None
    hang_seconds: float | None = 1800.0


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
    reason: "finished", "early" because the evaluation got no better, "interrupted" by a signal, or "paused" by
        `stop_after_*`; the last two resume when called again.
    """

    step: int
    reason: Reason

    @property
    def finished(self) -> bool:
        return self.reason in ("finished", "early")


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
    evaluation: Evaluation | None = None,
    on_step: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Outcome:
    """Train `model` in place, or go on where `folder` says an earlier call stopped.

    When the stage is finished, `model` holds the result and `folder/model.safetensors` holds it too: the best weights
    if there is an evaluation, else the averaged ones if `ema_decay` is set. Calling a finished stage again only loads
    that.

    Args:
        optimizer: from `make_optimizer`; its groups carry their `peak_lr`.
        schedule: factor of the peak rates by step.
        on_step: called after each step with its number and metrics; may raise to stop the run.

    Raises TrainingError when the loss or a gradient is not finite, a batch has nothing to train on, or a gate closes.
    """
    world = join_world()
    folder, world = Path(folder), join_world()
    flight = Flight(folder, world, config.hang_seconds)
    with flight, roll_call(flight), deterministic(config.deterministic):
        run = _Run(config, model, step, optimizer, schedule, folder, evaluation, world, flight)
        first = run.prepare(batches)
        with (
            Interruption() as interruption,
            batches.start(first, world.rank, world.size) as stream,  # forks, so before any thread starts
            RunLog(folder, config.max_steps, step=first, active=world.is_main, name=folder.name) as log,
            run.saver,
        ):
            flight.start()
            outcome = Outcome(*run.go(stream, log, interruption, gates, on_step))
        if outcome.finished:
            leave_result(model, run.ema, run.best, folder / "model.safetensors", world)
        world.barrier()
    return outcome


@dataclass
class _Run:
    """What one call of `train` works with."""

    config: LoopConfig
    model: nn.Module
    step: Step
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    folder: Path
    evaluation: Evaluation | None
    world: World
    flight: Flight

    def __post_init__(self) -> None:
        config = self.config
        self.ema = Ema(self.model, config.ema_decay) if config.ema_decay is not None else None
        self.best = Best(self.evaluation, self.folder) if self.evaluation is not None else None
        self.scale = LossScale() if config.precision == "fp16" else None
        others = {name: kept for name, kept in (("best", self.best), ("loss_scale", self.scale)) if kept is not None}
        self.state = TrainState(self.model, self.optimizer, self.ema, others=others)
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.seen, self.damaged = list[Any](), list[str]()

    def prepare(self, batches: BatchSource) -> int:
        """The same weights on every rank, and the state of the newest checkpoint; returns its step."""
        config, world, folder = self.config, self.world, self.folder / "checkpoints"
        self.began = self.saved_at = time.monotonic()
        world.broadcast_parameters(self.model)
        if any(is_cut(parameter) for parameter in self.model.parameters()):
            self.state.group = dist.new_group(backend="gloo")  # a writing thread must not share the step's collectives
        self.state.notes = {"batch_size": batches.batch_size, "seed": config.seed}
        self.state.resume(folder, self.damaged.append, world)
        world.barrier()
        if world.is_main:
            tidy(folder, self.state.step, config.keep)
        self.first = self.state.step
        self.saver = Saver(self.state, folder, keep=config.keep, background=config.save_in_background, world=world)
        self.meter = Meter(batches.batch_size, config.max_steps)
        self.flight.follow(self.model)
        self.model.train()
        return self.first

    def go(
        self,
        stream: Stream,
        log: RunLog,
        interruption: Interruption,
        gates: Sequence[Gate],
        on_step: Callable[[int, Mapping[str, float]], None] | None,
    ) -> tuple[int, Reason]:
        """Steps until the end, a signal or a limit; returns how many were made by the run, and which it was."""
        state, config = self.state, self.config
        for sentence in self.damaged:
            log.say(sentence)
        if self.first == 0:
            run_gates(gates, self.model, self.ema, 0, log)
        reason: Reason = "finished"
        while state.step < config.max_steps:
            if self.best is not None and self.best.is_over:
                reason = "early"
                break
            metrics = self.one_step(stream)
            self.flight.at("the log")
            self.meter.add(metrics, stream.take_wait())
            if state.step % config.log_every == 0 or state.step == config.max_steps:
                log.event("step", state.step, metrics | self.meter.read(state.step))
            if on_step is not None:
                on_step(state.step, metrics)
            self.flight.at("a gate or an evaluation")
            run_gates(gates, self.model, self.ema, state.step, log)
            if self.best is not None:
                last = state.step == config.max_steps
                self.best.evaluate(self.model, self.ema, state.step, last, log, self.world)
            interrupted, paused, due = self.votes(interruption)
            if state.step < config.max_steps and (interrupted or paused):
                reason = "interrupted" if interrupted else "paused"
                break
            if due:
                self.save(log)
        if self.saver.saved != state.step:
            self.save(log)
        self.saver.wait()
        if reason in ("interrupted", "paused"):
            log.say(f"{reason} at step {state.step}; run the same command to resume")
        if reason == "early" and self.best is not None:
            log.say(f"no better than at step {self.best.step} since; stopped at step {state.step}")
        return state.step, reason

    def one_step(self, stream: Stream) -> dict[str, float]:
        """Gradients, the optimiser's step, the average; returns the figures of the step."""
        config, state, scale = self.config, self.state, self.scale
        self.flight.step = state.step
        seed_everything(config.seed, state.step, self.world.rank)
        set_learning_rates(self.optimizer, self.schedule(state.step))
        factor = 1.0 if scale is None else scale.scale
        metrics: dict[str, float] = {}
        try:
            with self.world.in_step():
                pieces = stream.pieces(state.step)
                sums = accumulate(
                    self.model, self.step, stream, pieces, config.precision, self.seen, scale=factor, flight=self.flight
                )
            self.flight.at("the sum of the gradients over the ranks")
            metrics = normalise(self.model, self.parameters, sums, self.world, config.clip_norm, state.step + 1, factor)
            self.flight.at("the optimiser")
            self.optimizer.step()
        except Overflow as error:
            if scale is None:
                raise self.post_mortem(error) from error
            scale.overflowed(str(error))
            metrics = {"loss": sums["value"] / (sums["weight"] or 1.0), "weight": sums["weight"], "left_out": 1.0}
        except NotFinite as error:
            raise self.post_mortem(error) from error
        self.optimizer.zero_grad(set_to_none=True)
        if scale is not None:
            metrics["loss_scale"] = factor
            if "left_out" not in metrics:
                scale.worked()
        state.step += 1
        if self.ema is not None:
            self.ema.update(state.step)
        metrics["lr"] = max(group["lr"] for group in self.optimizer.param_groups)
        return metrics

    def post_mortem(self, error: NotFinite) -> NotFinite:
        file = f"step-{self.state.step + 1:08d}-rank-{self.world.rank}.safetensors"
        return autopsy(error, self.model, self.step, self.seen[0], self.folder / "stopped" / file)

    def votes(self, interruption: Interruption) -> tuple[bool, bool, bool]:
        """Whether to leave for a signal, for a limit, and to save: clocks and signals differ by rank, sums do not."""
        config, now, step = self.config, time.monotonic(), self.state.step
        self.flight.at("the vote of the ranks")
        out_of_time = config.stop_after_seconds is not None and now - self.began >= config.stop_after_seconds
        out_of_steps = config.stop_after_steps is not None and step - self.first >= config.stop_after_steps
        due = now - self.saved_at >= config.save_every_seconds or (
            config.save_every_steps is not None and step % config.save_every_steps == 0
        )
        votes = [interruption.wanted, out_of_time or out_of_steps, due]
        interrupted, paused, save = (vote > 0 for vote in self.world.sum(votes, device_of(self.model)))
        self.saver.check()
        return interrupted, paused, save

    def save(self, log: RunLog) -> None:
        self.flight.at("a checkpoint")
        self.saver.save(before=log.sync)
        self.saved_at = time.monotonic()
