"""How much does the training loop itself cost a step, beside the same step written out in plain PyTorch?

    python bench/loop.py [--json] [--threads 1] [--steps 12] [--blocks 4]

    ours   engine.loop.train: seeds, schedule, token-normalised gradients, clipping, fused AdamW, meter, log, data
    bare   for batch in batches: loss.backward(); clip_grad_norm_; AdamW(fused).step(); zero_grad()

The model is a decoder of 5 million parameters, the same weights on both sides; batches lie ready in memory, since
making them is not the loop. Blocks of steps of the two alternate, the side that goes first too, and the medians of the
steps are compared; the first two steps of each block (starting the stream, opening the log) and checkpoints are not
counted. What is compared is processor time of the whole process, its loader thread included: on a shared machine the
wall clock measures the neighbours. It stands beside.
"""

import tempfile
import time
from argparse import ArgumentParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _report import Ratio, make_parser, report
from torch import Tensor

from showtell.core.masks import causal_mask
from showtell.data.loader import Batches
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss
from showtell.text.decoder import Decoder, DecoderConfig

ALLOWED = 3.0  # percent of a bare step
SKIPPED = 2
ROWS, LENGTH = 4, 96


Seconds = tuple[float, float]  # of the processor, of the clock on the wall


def now() -> np.ndarray:
    return np.array([time.process_time(), time.perf_counter()])


def make_model(config: DecoderConfig) -> Decoder:
    torch.manual_seed(0)
    return Decoder(config)


def loss_of(model: Decoder, ids: Tensor) -> Tensor:
    """Summed next-token loss of a batch of rows."""
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    mask = causal_mask(ids.shape[1], ids.shape[1], ids.device)
    hidden = model(model.embedding(ids), positions, mask)
    logits = model.logits(hidden[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")


def ours(model: Decoder, optimizer: torch.optim.Optimizer, batch: Tensor, steps: int) -> list[Seconds]:
    """Seconds of each step of the loop."""
    stamps: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            LoopConfig(max_steps=steps, log_every=5),
            model=model,
            step=lambda model, ids: Loss(loss_of(model, ids), ids[:, 1:].numel()),  # type: ignore[arg-type]
            batches=Batches(lambda position: batch, lambda samples: samples[0], batch_size=1),
            optimizer=optimizer,
            schedule=Constant(),
            folder=Path(folder),
            on_step=lambda number, metrics: stamps.append(now()),
        )
    return [tuple(after - before) for before, after in pairwise(stamps)][SKIPPED - 1 :]


def bare(model: Decoder, optimizer: torch.optim.Optimizer, batch: Tensor, steps: int) -> list[Seconds]:
    """Seconds of each step written out."""
    seconds = []
    for _ in range(steps):
        began = now()
        loss = loss_of(model, batch) / batch[:, 1:].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        seconds.append(tuple(now() - began))
    return seconds[SKIPPED:]


def measure(config: DecoderConfig, steps: int, blocks: int) -> tuple[list[Seconds], list[Seconds]]:
    """Every counted step: ours, bare."""
    batch = torch.randint(config.vocab_size, (ROWS, LENGTH), generator=torch.Generator().manual_seed(1))
    sides = []
    for side in (ours, bare):
        model = make_model(config)
        sides.append((side, model, make_optimizer(model, OptimizerConfig(lr=1e-4))))
    spent: dict[str, list[Seconds]] = {"ours": [], "bare": []}
    for block in range(blocks):
        for side, model, optimizer in sides if block % 2 else reversed(sides):
            spent[side.__name__] += side(model, optimizer, batch, steps)
    return spent["ours"], spent["bare"]


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=12, help="steps of a block")
    parser.add_argument("--blocks", type=int, default=4, help="blocks of each side")
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    config = DecoderConfig(vocab_size=1792, dim=224, depth=8, heads=7, mlp_dim=600)
    size = sum(p.numel() for p in make_model(config).parameters())
    sides = measure(config, given.steps, given.blocks)
    (work, wall), (bare_work, bare_wall) = (np.median(side, axis=0) for side in sides)
    overhead = 100 * (work / bare_work - 1)
    report(
        f"one training step of {size / 1e6:.1f} M parameters, {given.threads} thread",
        [Ratio.limit("the loop's own share, % of a bare step", float(max(overhead, 0.01)), ALLOWED)],
        as_json=given.json,
        columns=("measured", "allowed"),
        beside=[
            ("a step, processor ms: ours, bare", 1000 * float(work), 1000 * float(bare_work)),
            ("a step, wall ms: ours, bare", 1000 * float(wall), 1000 * float(bare_wall)),
        ],
    )


if __name__ == "__main__":
    main()
