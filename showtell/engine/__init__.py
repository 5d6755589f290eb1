"""The one training loop: step, optimiser groups, schedules, resumable state, many devices and the log of a run.

Knows nothing about pictures or text: a stage is a `step(model, batch) -> Loss` and a source of batches.
"""

from showtell.engine.evaluation import Evaluation
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Constant, Cosine, Schedule, WarmupStableDecay
from showtell.engine.sharding import Sharding, shard
from showtell.engine.step import Loss, Step, TrainingError

__all__ = ["Constant", "Cosine", "Evaluation", "Gate", "LoopConfig", "Loss", "OptimizerConfig", "Outcome", "Part", "Schedule", "Sharding", "Step", "TrainingError", "WarmupStableDecay", "make_optimizer", "shard", "train"]  # fmt: skip  # noqa: E501
