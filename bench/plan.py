"""Does a stage take the time and the memory that were predicted before it?

    python bench/plan.py [--json] [--threads 1] [--steps 24] [--repeats 1]

    predicted   engine.estimate.rehearse: a few steps in a scratch folder, operations and tensors counted
    measured    engine.loop.train: the stage itself, from its first step to its last, with its checkpoints

Each in a process of its own, since the peak of a process never falls, and one after the other, which is what a person
does. Two stages: one whose memory is its weights (wide layers, few rows) and one whose memory is what is kept for the
backward pass (narrow layers, many rows). Asked for: memory within 15 %, time within 25 %. Time is that of the whole
stage, checkpoints and all. Both sides read the processor's clock: on a machine whose other work comes and goes between
the two, the wall clock would compare the neighbours.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

import torch
from _report import Ratio, make_parser, report
from torch import nn

from showtell.data.loader import Batches
from showtell.engine.estimate import rehearse
from showtell.engine.loop import LoopConfig, train
from showtell.engine.meter import peak_memory
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss

STAGES = {"weights": (3, 1792, 64), "activations": (6, 384, 6144)}  # layers, width, rows
MEMORY, TIME = 15.0, 25.0  # percent


def stage(name: str, steps: int, folder: str) -> tuple[LoopConfig, dict[str, Any]]:
    """What `train` is called with."""
    layers, width, rows = STAGES[name]
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(layers)))
    config = LoopConfig(max_steps=steps, ema_decay=0.9, save_every_steps=max(1, steps // 2), save_every_seconds=1e9)
    return config, {
        "model": model,
        "step": lambda model, x: Loss(model(x).square().sum(), len(x)),
        "batches": Batches(lambda position: torch.ones(rows, width), lambda samples: samples[0], batch_size=1),
        "optimizer": make_optimizer(model, OptimizerConfig()),
        "schedule": Constant(),
        "folder": folder,
    }


def predicted(name: str, steps: int, folder: str) -> dict[str, float]:
    config, given = stage(name, steps, folder)
    estimate = rehearse(config, clock=time.process_time, **given)
    return {"seconds": estimate.seconds, "peak": estimate.memory.peak}


def measured(name: str, steps: int, folder: str) -> dict[str, float]:
    stamps: list[float] = []
    config, given = stage(name, steps, folder)

    def on_step(number: int, metrics: Mapping[str, float]) -> None:
        stamps.append(time.process_time())

    train(config, on_step=on_step, **given)
    end = time.process_time()
    first = (stamps[-1] - stamps[0]) / (steps - 1)  # the first step also loads what PyTorch loads late
    return {"seconds": first + end - stamps[0], "peak": peak_memory()}


def in_a_process(side: str, name: str, steps: int, threads: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--side", side, "--stage", name, "--folder", folder]
        command += ["--steps", str(steps), "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def off(ours: float, real: float) -> float:
    """Percent by which a prediction misses; never quite zero, so that a ratio exists."""
    return max(0.01, 100 * abs(ours / real - 1))


def options() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=24, help="of the stage")
    parser.add_argument("--repeats", type=int, default=1, help="pairs of a prediction and a run; medians are compared")
    parser.add_argument("--side", choices=("predicted", "measured"), help="one side of one stage; what the bench calls")
    parser.add_argument("--stage", choices=tuple(STAGES), default="weights")
    parser.add_argument("--folder", default="")
    return parser


def main() -> None:
    given = options().parse_args()
    torch.set_num_threads(given.threads)
    if given.side:
        side = predicted if given.side == "predicted" else measured
        sys.stdout.write("\n" + json.dumps(side(given.stage, given.steps, given.folder)) + "\n")
        return
    ratios, beside = [], []
    for name in STAGES:
        runs: dict[str, list[dict[str, float]]] = {"predicted": [], "measured": []}
        for _ in range(given.repeats):
            for side in runs:
                runs[side].append(in_a_process(side, name, given.steps, given.threads))
        middle = {side: {key: statistics.median(run[key] for run in of) for key in of[0]} for side, of in runs.items()}
        ours, real = middle["predicted"], middle["measured"]
        ratios.append(Ratio.limit(f"{name}: memory, % off", off(ours["peak"], real["peak"]), MEMORY))
        ratios.append(Ratio.limit(f"{name}: time, % off", off(ours["seconds"], real["seconds"]), TIME))
        beside += [
            (f"{name}: MB, predicted, measured", ours["peak"] / 1e6, real["peak"] / 1e6),
            (f"{name}: processor s, predicted, measured", ours["seconds"], real["seconds"]),
        ]
    report(
        f"a stage of {given.steps} steps, predicted and then made",
        ratios,
        as_json=given.json,
        columns=("measured", "allowed"),
        beside=beside,
    )


if __name__ == "__main__":
    main()
