"""Evaluation inside of a run: the best weights are kept, and a run that gets no better stops early.

    step       500    1000    1500    2000    2500
    score      1.31   1.12    1.15    1.14    1.13        patience 3: stop here, the result is that of step 1000
                      best

What is best, and since when, is part of a checkpoint: an interrupted run stops at the same step with the same result.
The best weights are `best.safetensors` beside the log. Checks that only open or close are `engine/gates.py`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from showtell.core.checkpoint import load_tensors, module_tensors, save_tensors
from showtell.engine.distributed import World
from showtell.engine.ema import Ema
from showtell.engine.gates import looked_at
from showtell.engine.gradient import device_of
from showtell.engine.log import RunLog
from showtell.engine.sharding import fill_cut, whole
from showtell.engine.state import written
from showtell.engine.step import TrainingError


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is measured every so many steps, and after the last one.

    check: called with the model in eval mode, without gradients; returns numbers for the log. Every rank calls it.
    score: which of the numbers decides.
    better: whether a higher or a lower score is better.
    every: steps between evaluations.
    patience: evaluations in a row that may pass without a better score; None = never stop early.
    least: by how much a score has to be better to count.
    averaged: look at the averaged weights when the run has some.
    """

    check: Callable[[nn.Module], Mapping[str, float]]
    score: str
    every: int
    better: Literal["higher", "lower"] = "lower"
    patience: int | None = None
    least: float = 0.0
    averaged: bool = True


class Best:
    """The best evaluation so far, and the weights it was made with."""

    def __init__(self, evaluation: Evaluation, folder: Path):
        self.evaluation, self.path = evaluation, folder / "best.safetensors"
        self.score, self.step, self.without = math.nan, 0, 0

    @property
    def is_over(self) -> bool:
        """Whether the run has gone on long enough without a better score."""
        return self.evaluation.patience is not None and self.without >= self.evaluation.patience

    def evaluate(self, model: nn.Module, ema: Ema | None, step: int, last: bool, log: RunLog, world: World) -> None:
        """Measure if it is due, and keep the weights if they are the best.

        Raises TrainingError when the check does not give the score, or gives one that is not a number.
        """
        if step % self.evaluation.every and not last:
            return
        with looked_at(model, ema if self.evaluation.averaged else None) as call:
            numbers = call(self.evaluation.check)
            if self.evaluation.score not in numbers:
                raise TrainingError(f"the evaluation gives {', '.join(numbers)} and no {self.evaluation.score}")
            # One rank decides for all: their sums may differ in the last bit.
            mine = numbers[self.evaluation.score] if world.is_main else 0.0
            (score,) = world.sum([mine], device_of(model))
            if not math.isfinite(score):
                raise TrainingError(f"step {step}: the {self.evaluation.score} of the evaluation is {score}")
            if self._is_better(score):
                self.score, self.step, self.without = score, step, 0
                tensors = whole(module_tensors(model))
                if world.is_main:
                    with written(f"{self.path}: the best weights"):
                        save_tensors(tensors, self.path, {"best": f"{self.evaluation.score} {score} at step {step}"})
            else:
                self.without += 1
        log.event("evaluation", step, {**numbers, "best": self.score, "best_step": self.step})

    def fill(self, model: nn.Module) -> None:
        """The model with the best weights."""
        fill_cut(module_tensors(model), load_tensors(self.path))

    def _is_better(self, score: float) -> bool:
        if math.isnan(self.score):
            return True
        gain = score - self.score if self.evaluation.better == "higher" else self.score - score
        return gain > self.evaluation.least

    def to_json(self) -> dict[str, Any]:
        return {"score": None if math.isnan(self.score) else self.score, "step": self.step, "without": self.without}

    def from_json(self, content: dict[str, Any]) -> None:
        score = content["score"]
        self.score, self.step, self.without = math.nan if score is None else score, content["step"], content["without"]
