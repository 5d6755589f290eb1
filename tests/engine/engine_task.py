"""A tiny task for the engine's tests: tokens of varying number a sample, an MLP, a sum of squared errors.

Also a program: `python engine_task.py FOLDER WORKERS PAUSE` trains it, slowly enough to be killed in between.
"""

import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from showtell.data.loader import Batches
from showtell.data.sample import sample_rng
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.engine.step import Loss

DIM = 5
STEPS = 24


def make(position: int) -> Tensor:
    """Between 1 and 6 rows: inputs and, in the last column, the target."""
    rng = sample_rng(11, position)
    x = torch.from_numpy(rng.standard_normal((int(rng.integers(1, 7)), DIM)))
    return torch.cat([x, x.sin().sum(1, keepdim=True)], dim=1)


def make_model(dropout: float = 0.2, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(1)
    layers = (nn.Linear(DIM, 7), nn.GELU(), nn.LayerNorm(7), nn.Dropout(dropout), nn.Linear(7, 1))
    return nn.Sequential(*layers).to(dtype)


def step(model: nn.Module, batch: Tensor) -> Loss:
    batch = batch.to(next(model.parameters()).dtype)
    errors = (model(batch[:, :-1]) - batch[:, -1:]).square()
    return Loss(errors.sum(), batch.shape[0], {"worst": errors.max()})


def run(folder: Path, model: nn.Module, *, workers: int = 0, micro_batches: int = 1, on_step=None, **config) -> Outcome:
    settings = {"max_steps": STEPS, "ema_decay": 0.9, "log_every": 1} | config
    return train(
        LoopConfig(**settings),
        model=model,
        step=step,
        batches=Batches(make, torch.cat, batch_size=12, micro_batches=micro_batches, workers=workers),
        optimizer=make_optimizer(model, OptimizerConfig(lr=0.02, parts=(Part(prefix="0", lr_scale=0.5),))),
        schedule=Cosine(steps=STEPS, warmup=4),
        folder=folder,
        on_step=on_step,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    pause = float(sys.argv[3])
    run(
        Path(sys.argv[1]),
        make_model(),
        workers=int(sys.argv[2]),
        save_every_steps=3,
        on_step=lambda *_: time.sleep(pause),
    )
