"""Speeds of a run over the steps since the last reading: samples, trained tokens, and how long data were waited for.

Floating-point operations and their split by module are not here yet.
"""

import time
from collections.abc import Mapping


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
        }
        self._reset()
        return {name: round(value, 6) for name, value in rates.items()}
