"""Learning-rate schedules: pure functions from the step to a factor in [0, 1] of the peak rate.

    cosine            _          warm-up/stable/decay  ________        constant   _________
                    /   `.                            /        \\                 /
                   /      `-._                       /          \\               /
                  0  warmup   steps                 0 warmup  decay            0 warmup

They depend on nothing but the step, so a resumed run has the rate of the run it resumes (cosine: Loshchilov and
Hutter 2017; stable-then-decay: Hu et al. 2024, MiniCPM). Peak rates live in the optimiser's groups (`engine/optim.py`).
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """Factor of the peak learning rate used for the update that makes step `step` (counted from 0)."""

    def __call__(self, step: int) -> float: ...


def _warm(step: int, warmup: int) -> float:
    """Linear from 1/warmup to 1: the first update is small but not empty."""
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Warm-up, then the peak for ever.

    warmup: steps of linear warm-up.
    """

    warmup: int = 0

    def __call__(self, step: int) -> float:
        return _warm(step, self.warmup)


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Warm-up, then half a cosine down to `floor` at `steps`.

    steps: length of the run.
    warmup: steps of linear warm-up.
    floor: factor reached at the end.
    """

    steps: int
    warmup: int = 0
    floor: float = 0.0

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return _warm(step, self.warmup)
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True, kw_only=True)
class WarmupStableDecay:
    """Warm-up, the peak, then a straight line to `floor` over the last `decay` steps.

    With `decay = steps - warmup` it is the plain linear schedule, which `linear` spells.

    steps: length of the run.
    warmup: steps of linear warm-up.
    decay: length of the final line.
    floor: factor reached at the end.
    """

    steps: int
    decay: int
    warmup: int = 0
    floor: float = 0.0

    def __call__(self, step: int) -> float:
        left = min(1.0, max(0.0, (self.steps - step) / max(1, self.decay)))
        return min(_warm(step, self.warmup), self.floor + (1 - self.floor) * left)


def linear(*, steps: int, warmup: int = 0, floor: float = 0.0) -> WarmupStableDecay:
    """Warm-up, then a straight line down to `floor` at `steps`."""
    return WarmupStableDecay(steps=steps, warmup=warmup, decay=steps - warmup, floor=floor)
