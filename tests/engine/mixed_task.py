"""A task for tests of many ranks: some samples have pictures, whole micro-batches of a rank have none."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from showtell.data.loader import Batches
from showtell.data.sample import sample_rng
from showtell.engine.evaluation import Evaluation
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.recompute import recompute
from showtell.engine.schedule import Constant
from showtell.engine.sharding import Sharding, shard
from showtell.engine.step import Loss

DIM, STEPS = 6, 6
Sample = tuple[Tensor, Tensor, Tensor]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(DIM), nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class Mixed(nn.Module):
    """A tower, a trunk and a head; used through methods and not through `forward`, as the models here are."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.vision = nn.ModuleDict({"patch": nn.Conv2d(3, DIM, 2, 2), "blocks": nn.ModuleList([Block()])})
        self.words = nn.Linear(5, DIM)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(DIM, 1)
        self.double()

    def look(self, pixels: Tensor) -> Tensor:
        tokens = self.vision["patch"](pixels).flatten(2).transpose(1, 2)
        for block in self.vision["blocks"]:
            tokens = block(tokens)
        return tokens.mean(1)

    def read(self, rows: Tensor) -> Tensor:
        hidden = self.words(rows)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(hidden)[:, 0]


def make(position: int) -> Sample:
    """One to four rows with their target; the first half of every four positions has a picture."""
    rng = sample_rng(7, position)
    rows = torch.from_numpy(rng.standard_normal((int(rng.integers(1, 5)), 5)))
    pictures = torch.from_numpy(rng.standard_normal((1 if position % 4 < 2 else 0, 3, 4, 4)))
    return rows, rows.sin().sum(1) + pictures.sum() / 9, pictures


def collate(samples: list[Sample]) -> dict[str, Tensor]:
    owner = [len(rows) for rows, _, _ in samples]
    seen = [sum(owner[:i]) for i, (_, _, pictures) in enumerate(samples) if len(pictures)]
    rows, targets, pictures = (torch.cat(part) for part in zip(*samples, strict=True))
    return {"rows": rows, "targets": targets, "pixels": pictures, "at": torch.tensor(seen, dtype=torch.int64)}


def step(model: Mixed, batch: dict[str, Tensor], skips: bool = False) -> Loss:
    """Squared errors. `skips`: a batch without pictures does not go through the tower at all."""
    given = model.read(batch["rows"])
    if len(batch["pixels"]) or not skips:
        given = given.index_add(0, batch["at"], model.look(batch["pixels"]).sum(1))
    errors = (given - batch["targets"]).square()
    return Loss(errors.sum(), len(errors), {"worst": errors.detach().amax()})


def loss_of(model: nn.Module) -> dict[str, float]:
    loss = step(model, collate([make(10**6 + i) for i in range(6)]))  # type: ignore[arg-type]
    return {"loss": float(loss.value) / float(loss.weight)}


def run(
    folder: Path,
    *,
    sharding: Sharding | None = None,
    skips: bool = False,
    algorithm: str = "adamw",
    again: bool = False,
    on_step: Any = None,
    **config: object,
) -> Outcome:
    """Train it; with gates, an evaluation and an average, so that all of them meet cut parameters."""
    model: nn.Module = Mixed()
    if again:
        recompute(model)
    if sharding is not None:
        shard(model, sharding)
    settings = {"max_steps": STEPS, "ema_decay": 0.8, "log_every": 1, "clip_norm": 0.5} | config
    return train(
        LoopConfig(**settings),  # type: ignore[arg-type]
        model=model,
        step=lambda model, batch: step(model, batch, skips),
        batches=Batches(make, collate, batch_size=8, micro_batches=2),
        optimizer=make_optimizer(model, OptimizerConfig(lr=0.05, algorithm=algorithm)),  # type: ignore[arg-type]
        schedule=Constant(),
        folder=folder,
        on_step=on_step,
        gates=[Gate(check=loss_of, every=2, name="plain"), Gate(check=loss_of, every=3, name="average", averaged=True)],
        evaluation=Evaluation(check=loss_of, score="loss", every=2, patience=9),
    )
