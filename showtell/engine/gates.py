"""Gates: checks a run must pass before its first step and every so many steps, or stop.

    Gate(check=swapped_pictures_change_the_answer, every=500, name="swap")

A gate sees the model in eval mode and without gradients. It cannot disturb the run: every step seeds its own
randomness. What is worth checking is the business of the stage (`instruct/`); this file only knows when and how.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from showtell.engine.ema import Ema
from showtell.engine.log import RunLog


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check before step 1 and every so many steps.

    check: called with the model; returns numbers for the log; raises TrainingError to stop the run. Every rank calls
        it, so it must not depend on the rank.
    every: steps between checks.
    name: how the log calls it.
    averaged: look at the averaged weights when the run has some.
    """

    check: Callable[[nn.Module], Mapping[str, float]]
    every: int
    name: str = "gate"
    averaged: bool = False


@torch.no_grad()
def run_gates(gates: Sequence[Gate], model: nn.Module, ema: Ema | None, step: int, log: RunLog) -> None:
    """Run the checks due at `step` and log their numbers."""
    for gate in gates:
        if step % gate.every:
            continue
        model.eval()
        if gate.averaged and ema is not None:
            with ema.swapped_in():
                numbers = gate.check(model)
        else:
            numbers = gate.check(model)
        model.train()
        log.event(gate.name, step, dict(numbers))
