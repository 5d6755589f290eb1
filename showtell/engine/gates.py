"""Gates: checks a run must pass before its first step and every so many steps, or stop.

    Gate(check=swapped_pictures_change_the_answer, every=500, name="swap")

A gate sees the model in eval mode and without gradients. It cannot disturb the run: every step seeds its own
randomness. What is worth checking is the business of the stage (`instruct/`); this file only knows when and how.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from showtell.engine.ema import Ema
from showtell.engine.log import RunLog
from showtell.engine.sharding import gathered

Check = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check before step 1 and every so many steps.

    check: called with the model; returns numbers for the log; raises TrainingError to stop the run. Every rank calls
        it, so it must not depend on the rank.
    every: steps between checks.
    name: how the log calls it.
    averaged: look at the averaged weights when the run has some.
    """

    check: Check
    every: int
    name: str = "gate"
    averaged: bool = False


@contextmanager
def looked_at(model: nn.Module, ema: Ema | None) -> Iterator[Callable[[Check], Mapping[str, float]]]:
    """The model in eval mode, without gradients, with its averaged weights if given; what is yielded calls a check."""
    with torch.no_grad(), ema.swapped_in() if ema is not None else nullcontext():
        model.eval()
        yield lambda check: gathered(model, lambda: check(model))
        model.train()


def run_gates(gates: Sequence[Gate], model: nn.Module, ema: Ema | None, step: int, log: RunLog) -> None:
    """Run the checks due at `step` and log their numbers."""
    for gate in gates:
        if step % gate.every:
            continue
        with looked_at(model, ema if gate.averaged else None) as call:
            numbers = call(gate.check)
        log.event(gate.name, step, dict(numbers))
