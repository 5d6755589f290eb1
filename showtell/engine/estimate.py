"""What a stage will take, before it is launched: hours, memory, tokens, disk; here, or on other accelerators.

    rehearsal   the very loop with the very batches for a few steps in a scratch folder      -> seconds a step, tokens
    counting    one micro-batch, part by part (engine/profile.py)                            -> operations, activations
    memory      step  = weights + moments + average + gradients + activations + batches made ahead
                save  = weights + moments + average + three times the largest file           -> the larger of the two

Time here is extrapolated from the rehearsal; time elsewhere is operations / (peak x assumed utilisation), and says so.
`showtell plan` shows it, and `bench/plan.py` holds it to a real run.
"""

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from showtell.core.checkpoint import module_tensors
from showtell.engine.autopsy import tensors_of
from showtell.engine.gates import Gate
from showtell.engine.gradient import device_of
from showtell.engine.loop import BatchSource, LoopConfig, Outcome, train
from showtell.engine.meter import resident_memory
from showtell.engine.profile import cost_of
from showtell.engine.schedule import Schedule
from showtell.engine.step import Step, to_device

# Dense bfloat16 operations a second, without sparsity, from the makers' data sheets.
ACCELERATORS = {"a100": 312e12, "h100": 989e12, "h200": 989e12, "b200": 2250e12, "l40s": 362e12, "rtx4090": 165e12}

AHEAD = 5  # batches of a stream: two in its queue, one being made, the one in use and the one just used
SLACK = 0.35  # of what comes and goes with each step: holes that an allocator cannot fill


@dataclass(frozen=True)
class Memory:
    """Bytes of a stage on one device.

    base: the process before the stage's first step, weights included; 0 where only tensors count.
    activations: kept for the backward pass, and what that pass adds at its widest.
    batches: made ahead, beside the one in use.
    save: while a checkpoint is written (a copy of the tensors, their bytes, and the bytes of the file).
    in_background: it is written while steps go on, from a copy of the whole state.
    """

    base: float
    weights: float
    gradients: float
    moments: float
    average: float
    activations: float
    batches: float
    save: float
    in_background: bool = False

    @property
    def peak(self) -> float:
        standing = (self.base or self.weights) + self.moments + self.average + self.batches
        step = (1 + SLACK) * (self.gradients + self.activations)
        return standing + (step + self.save if self.in_background else max(step, self.save))


@dataclass(frozen=True)
class Estimate:
    """A stage.

    steps, batch_size: as configured.
    seconds: of the whole stage on this machine, gates and checkpoints included.
    seconds_per_step, wait_share: of the rehearsal; the share of time spent waiting for data.
    tokens: trained on in the whole stage.
    flops: of one step over all ranks, by part.
    checkpoint_bytes: of one checkpoint; `keep` of them are on disk.
    """

    name: str
    steps: int
    batch_size: int
    seconds: float
    seconds_per_step: float
    wait_share: float
    tokens: float
    flops: Mapping[str, float]
    memory: Memory
    checkpoint_bytes: float
    parameters: int
    trained: int

    def seconds_on(self, accelerators: int, peak: float, utilisation: float) -> float:
        """On so many accelerators of so many operations a second, if the data keep up."""
        return self.steps * sum(self.flops.values()) / (accelerators * peak * utilisation)

    def to_json(self) -> dict[str, Any]:
        memory = {"peak_bytes": self.memory.peak} | vars(self.memory)
        return vars(self) | {"flops": dict(self.flops), "memory": memory}


def memory_of(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: bool,
    *,
    in_background: bool = False,
    activations: float = 0.0,
    batches: float = 0.0,
    base: float = 0.0,
) -> Memory:
    """The bytes of a stage from its tensors."""
    weights = float(sum(tensor.nbytes for tensor in module_tensors(model).values()))
    trained = float(sum(p.nbytes for group in optimizer.param_groups for p in group["params"]))
    moments = float(sum(moments_of(group) * p.nbytes for group in optimizer.param_groups for p in group["params"]))
    average = weights if averaged else 0.0
    save = 3 * max(weights, moments) + (weights + moments + average if in_background else 0.0)
    return Memory(base, weights, trained, moments, average, activations, batches, save, in_background)


def moments_of(group: Mapping[str, Any]) -> int:
    """Tensors of the size of a parameter that the optimiser keeps for it: 2 for Adam, 1 for Muon."""
    return 2 if "betas" in group else 1


def rehearse(
    config: LoopConfig,
    *,
    model: nn.Module,
    step: Step,
    batches: BatchSource,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    folder: str | Path,
    gates: Sequence[Gate] = (),
    steps: int = 6,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
    **_: Any,
) -> Estimate:
    """Estimate a call of `train` with the same arguments by making a few of its steps; the model moves by as many.

    clock: what seconds are read from; `time.process_time` is steadier where a processor has other work too.
    """
    _wake_up(device_of(model))
    base = resident_memory()
    with batches.start(0, 0, 1) as stream:
        micro = to_device(next(stream), device_of(model))
    cost = cost_of(model, step, micro, precision=config.precision)
    gate_seconds = sum(_seconds_of(gate, model, clock) * (1 + config.max_steps // gate.every) for gate in gates)
    stamps: list[float] = []
    weights: list[float] = []

    def on_step(number: int, metrics: Mapping[str, float]) -> None:
        stamps.append(clock())
        weights.append(metrics["weight"])

    short = replace(
        config,
        max_steps=min(config.max_steps, warmup + steps),
        save_every_seconds=math.inf,
        save_every_steps=None,
        stop_after_seconds=None,
        log_every=1,
    )
    with tempfile.TemporaryDirectory() as scratch:
        train(
            short,
            model=model,
            step=step,
            batches=batches,
            optimizer=optimizer,
            schedule=schedule,
            folder=scratch,
            on_step=on_step,
        )
        save_seconds = clock() - stamps[-1]  # of the checkpoint at the end, and of the result
        waits = _waits(Path(scratch) / "log.jsonl")[warmup:]
    per_step = statistics.fmean([b - a for a, b in pairwise(stamps)][max(0, warmup - 1) :] or [0.0])
    seconds = config.max_steps * per_step + gate_seconds
    memory = memory_of(
        model,
        optimizer,
        config.ema_decay is not None,
        in_background=config.save_in_background,
        activations=cost.saved_bytes + 2.0 * cost.widest_bytes,
        batches=AHEAD * float(sum(tensor.nbytes for _, tensor in tensors_of(micro))),
        base=base,
    )
    return Estimate(
        name=Path(folder).name,
        steps=config.max_steps,
        batch_size=batches.batch_size,
        seconds=seconds + save_seconds * _saves(config, seconds),
        seconds_per_step=per_step,
        wait_share=statistics.fmean(waits) / 100 if waits else 0.0,
        tokens=config.max_steps * statistics.fmean(weights),
        flops={name: flops * batches.micro_batches for name, flops in cost.flops.items()},
        memory=memory,
        checkpoint_bytes=memory.weights + memory.moments + memory.average,
        parameters=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for group in optimizer.param_groups for p in group["params"]),
    )


def _wake_up(device: torch.device) -> None:
    """What PyTorch loads with its first backward pass and its first optimiser step belongs to the process."""
    layer = nn.Linear(64, 64).to(device)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    layer(torch.ones(64, 64, device=device)).sum().backward()
    optimizer.step()


def planned(config: LoopConfig, **arguments: Any) -> tuple[Estimate, Outcome]:
    """In the place of `train`: the estimate, and the outcome that lets a recipe go on to its next stage."""
    return rehearse(config, **arguments), Outcome(config.max_steps, "finished")


def _saves(config: LoopConfig, seconds: float) -> float:
    """Checkpoints that the stage waits for: those by time or by steps, whichever are more, and the one at its end."""
    by_steps = 0 if config.save_every_steps is None else config.max_steps // config.save_every_steps
    return 1.0 if config.save_in_background else max(1.0, by_steps, seconds // config.save_every_seconds)


def _seconds_of(gate: Gate, model: nn.Module, clock: Callable[[], float]) -> float:
    began = clock()
    model.eval()
    with torch.no_grad():
        gate.check(model)
    model.train()
    return clock() - began


def _waits(log: Path) -> list[float]:
    """Share of each logged step, in percent."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    return [line["wait_percent"] for line in lines if line["event"] == "step"]
