"""Speeds of a run over the steps since the last reading, its memory, and now and then where the work goes.

    every log line    samples/s, trained tokens/s, share of time spent waiting for data, peak memory
    a gate            Gate(check=profiled(step, batch), every=500, name="profile"): operations and time of each part,
                      utilisation (MFU) against the peak measured on this machine, useful against padded tokens

Counting is `engine/profile.py`; predicting is `engine/estimate.py`.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from showtell.engine.gradient import device_of
from showtell.engine.precision import Precision
from showtell.engine.profile import cost_of, measured_peak
from showtell.engine.step import Step, to_device


class Meter:
    """Fed once a step, read once a log line."""

    def __init__(self, batch_size: int, max_steps: int):
        self.batch_size, self.max_steps = batch_size, max_steps
        self._reset()

    def _reset(self) -> None:
        self.began, self.steps, self.weight, self.value, self.wait = time.perf_counter(), 0, 0.0, 0.0, 0.0

    def add(self, metrics: Mapping[str, float], wait: float) -> None:
        """One step: its metrics and the seconds `next(stream)` blocked."""
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
            "peak_memory_mb": peak_memory() / 1e6,
        }
        self._reset()
        return {name: round(value, 6) for name, value in rates.items()}


def peak_memory() -> float:
    """Most bytes so far: of the accelerator's tensors where there is one, else of this process.

    On Linux the count is the memory's own (`VmHWM`): what `getrusage` says of a process that another one started
    includes the memory of its parent.
    """
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def resident_memory() -> float:
    """Bytes this process holds now; 0 where only the accelerator's memory matters."""
    if torch.cuda.is_available():
        return 0.0
    statm = Path("/proc/self/statm")
    return float(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else peak_memory()


def profiled(
    step: Step,
    batch: Any,
    *,
    parts: Mapping[str, str] | None = None,
    precision: Precision = "fp32",
    tokens: Callable[[Any], tuple[int, int]] | None = None,
) -> Callable[[nn.Module], Mapping[str, float]]:
    """A gate's check that never closes: where operations and time of a micro-batch go.

    Args:
        parts: name -> path of a module; the model's children by default.
        tokens: (useful, all) tokens of a batch; padding is the rest.
    """
    peak: list[float] = []

    def check(model: nn.Module) -> Mapping[str, float]:
        device = device_of(model)
        if not peak:
            peak.append(measured_peak(device, precision))
        cost = cost_of(model, step, to_device(batch, device), parts, precision)
        seconds, flops = sum(cost.seconds.values()), sum(cost.flops.values())
        numbers = {"mfu": flops / seconds / peak[0], "gflops": flops / 1e9, "activations_mb": cost.saved_bytes / 1e6}
        for name in sorted(cost.flops | cost.seconds):
            numbers[f"flops_{name}"] = cost.flops.get(name, 0.0) / flops
            numbers[f"time_{name}"] = cost.seconds.get(name, 0.0) / seconds
        if tokens is not None:
            useful, total = tokens(batch)
            numbers["useful_tokens"] = useful / total
        return {name: round(value, 5) for name, value in numbers.items()}

    return check
