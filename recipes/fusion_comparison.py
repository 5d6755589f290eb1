"""Every way of giving a language model eyes, side by side: one tower, one decoder, one world, one budget.

    python -m recipes.fusion_comparison                    trains what is missing; again: resumes; --minutes 30: pauses
    python -m recipes.fusion_comparison --only mlp,late    some of the arms;   --seeds 1,2   some of the seeds
    python -m recipes.fusion_comparison --stage report     table, JSON and chart of what has been reached, into docs/

    arm          what the decoder (the same small one, from scratch, the same start in every arm of a seed) gets to see
    blind        nothing: what can be guessed from the question
    late         the mean of the tower's tokens, after the last layer          fusion/late.py
    linear, mlp  the tower's 64 tokens through one matrix, or two              fusion/connectors.py
    resampler    16 tokens that latents picked out of the 64                   fusion/resampler.py
    qformer      16 tokens, picked by a small BERT                             fusion/qformer.py
    gated        64 tokens to look aside at, before every second block         fusion/gated_xattn.py
    early        64 raw patches in its own stream, no tower at all             fusion/early.py
    scratch      as `linear`, but the tower starts untrained and is trained along: the control that tells how much
                 of early fusion's distance is fusion, and how much the missing pre-training

Budget: every arm may spend the same number of floating-point operations on training, counted where they are executed
(`engine/profile.py`), the frozen tower's pass included; so a cheaper arm makes more steps, over the same pictures in
the same order. The tower is the pocket model's, frozen, and its features are cached: charged, but not computed again.

An answer is right when the decoder, greedy, writes the reference to the token (which teacher forcing tells without
writing: all its tokens are the most likely ones). Intervals: bootstrap over pictures, the seeds of a picture together.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from recipes.fusion_arms import Arm, make_arm, tower_flops
from recipes.fusion_chart import draw_comparison
from recipes.fusion_pictures import SKILLS, Pictures, pictures
from recipes.same_run import same_run
from showtell.core.checkpoint import write_atomically
from showtell.core.errors import ConfigError, ShowtellError
from showtell.data.loader import Batches
from showtell.data.order import Permutation
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.profile import Cost, cost_of
from showtell.engine.schedule import Cosine
from showtell.engine.step import Loss
from showtell.instruct.bundle import Bundle, load_bundle
from showtell.instruct.packing import IGNORE
from showtell.metrics.intervals import cluster_bootstrap, paired_difference

ROOT = Path(__file__).parent.parent
ARMS = ("blind", "late", "linear", "mlp", "resampler", "qformer", "gated", "early", "scratch")


@dataclass(frozen=True, kw_only=True)
class FusionRun:
    """Everything that decides what is compared.

    tower: model folder whose tower is shared.
    seeds: of weights and order.
    gigaflops: budget of each run.
    pictures, held_out: of training (seen again after one pass) and of scoring.
    length: tokens of a row of questions.
    batch, lr, warmup: of every run; warmup is a share of its steps.
    dim, depth, heads: of the decoder.
    latents: tokens that resampler and Q-Former give.
    """

    tower: Path = ROOT / "showtell" / "pocket"
    seeds: tuple[int, ...] = (1, 2, 3)
    gigaflops: float = 24_000.0
    pictures: int = 6000
    held_out: int = 300
    length: int = 80
    batch: int = 32
    lr: float = 2e-3
    warmup: float = 0.1
    dim: int = 128
    depth: int = 4
    heads: int = 2
    latents: int = 16


@dataclass(frozen=True)
class Look:
    """Makes and collates rows of a set of pictures for the loader; a sample is the number of its row."""

    data: Pictures
    seed: int

    def make(self, position: int) -> int:
        return Permutation(self.seed, len(self.data))(position)

    def collate(self, rows: list[int]) -> Pictures:
        return self.data[rows]


def answer_step(arm: Arm, batch: Pictures) -> Loss:
    """Next-token loss on the words of answers."""
    trained = batch.targets != IGNORE
    logits, targets = arm.decoder.logits(arm(batch)[trained]).float(), batch.targets[trained]
    right = float((logits.argmax(dim=-1) == targets).double().mean())
    return Loss(F.cross_entropy(logits, targets, reduction="sum"), float(len(targets)), {"token_accuracy": right})


def run_arm(
    run: FusionRun, bundle: Bundle, name: str, seed: int, folder: Path, seconds: float | None = None, **changes: Any
) -> bool:
    """Train one arm with one seed within the budget, or go on with it, and score it. False when time ran out."""
    here = folder / f"{name}-{seed}"
    if (here / "answers.json").exists():
        return True
    data, _ = pictures(bundle, folder / "pictures", "train", run.pictures, run.length)
    arm = make_arm(run, bundle, name, seed)
    cost = cost_of(arm, answer_step, data[range(run.batch)])
    charged = tower_flops(bundle.model.vision, data[range(run.batch)].pixels) if arm.uses_tower else 0.0
    per_step = sum(cost.flops.values()) + charged
    steps = max(1, round(run.gigaflops * 1e9 / per_step))
    look = Look(data, seed)
    settings: dict[str, Any] = {"max_steps": steps, "seed": seed, "log_every": 50, "save_every_seconds": 120}
    outcome = train(
        LoopConfig(**(settings | {"stop_after_seconds": seconds} | changes)),
        model=arm,
        step=answer_step,
        batches=Batches(look.make, look.collate, batch_size=run.batch),
        optimizer=make_optimizer(arm, OptimizerConfig(lr=run.lr)),
        schedule=Cosine(steps=steps, warmup=round(run.warmup * steps), floor=0.02),
        folder=here,
    )
    if outcome.finished:
        tower = sum(parameter.nbytes for parameter in bundle.model.vision.parameters()) if arm.uses_tower else 0
        facts = facts_of(arm, cost, charged, steps, tower) | {"right": score(run, bundle, arm, folder)}
        write_atomically(here / "answers.json", json.dumps(facts).encode())
    return outcome.finished


def facts_of(arm: Arm, cost: Cost, charged: float, steps: int, tower: int) -> dict[str, Any]:
    """What the run took; operations and bytes are those of one step, `tower` the bytes of the frozen weights."""
    trained = sum(parameter.numel() for parameter in arm.parameters())
    return {
        "steps": steps,
        "image_tokens": arm.image_tokens,
        "trained_parameters": trained,
        "gigaflops_per_step": (sum(cost.flops.values()) + charged) / 1e9,
        "gigaflops_of_tower": charged / 1e9,
        "activation_megabytes": cost.saved_bytes / 1e6,
        "memory_megabytes": (cost.saved_bytes + 16 * trained + tower) / 1e6,  # 16: weight, gradient, two moments
    }


@torch.no_grad()
def score(run: FusionRun, bundle: Bundle, arm: Arm, folder: Path) -> list[tuple[int, str, int]]:
    """(picture, skill, 1 or 0) of every held-out question."""
    data, skills = pictures(bundle, folder / "pictures", "val", run.held_out, run.length)
    arm.eval()
    answers: list[tuple[int, str, int]] = []
    for first in range(0, len(data), 50):
        batch = data[slice(first, first + 50)]
        trained = batch.targets != IGNORE
        wrong = (arm.decoder.logits(arm(batch)).argmax(dim=-1) != batch.targets) & trained
        for row in range(len(batch)):
            for branch, skill in enumerate(skills[first + row], start=1):
                missed = bool((wrong[row] & (batch.branches[row] == branch)).any())
                answers.append((first + row, skill, int(not missed)))
    return answers


# ------------------------------------------------------------------------------------------------------------- report


def report(run: FusionRun, folder: Path, docs: Path) -> dict[str, Any]:
    """Everything that is finished below `folder`, written below `docs` as JSON and as a chart.

    Raises ConfigError when nothing is.
    """
    same_run(run, folder, free=("seeds",))
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for name in ARMS:
        for seed in run.seeds:
            path = folder / f"{name}-{seed}" / "answers.json"
            if path.exists():
                found[name][seed] = json.loads(path.read_text(encoding="utf-8"))
    result = {
        "run": asdict(run) | {"tower": run.tower.name},
        "arms": {name: summary(seeds) for name, seeds in found.items()},
        "against linear": {
            name: against(seeds, found["linear"])
            for name, seeds in found.items()
            if name != "linear" and "linear" in found
        },
    }
    if not found:
        raise ConfigError(f"{folder}: no run is finished here; train first, or name another folder")
    (docs / "images").mkdir(parents=True, exist_ok=True)
    write_atomically(docs / "fusion-comparison.json", (json.dumps(result, indent=1) + "\n").encode())
    draw_comparison(result).save(docs / "images" / "fusion-comparison.png", optimize=True)
    return result


def summary(seeds: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Of one arm: its cost, and its accuracy by skill over all seeds."""
    rows = [tuple(row) for result in seeds.values() for row in result["right"]]
    costs = {key: value for key, value in next(iter(seeds.values())).items() if key != "right"}
    accuracy = {
        skill: asdict(cluster_bootstrap([r for _, s, r in rows if skill in (s, "all")],
                                        [p for p, s, _ in rows if skill in (s, "all")], seed=0))
        for skill in ("all", *SKILLS)
        if skill == "all" or any(s == skill for _, s, _ in rows)
    }  # fmt: skip
    by_seed = {seed: sum(r for _, _, r in result["right"]) / len(result["right"]) for seed, result in seeds.items()}
    return costs | {"seeds": by_seed, "accuracy": accuracy}


def against(ours: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Paired over the same questions and seeds: how much better than the other arm, in accuracy."""
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return {}
    first, second = ([row for seed in shared for row in arm[seed]["right"]] for arm in (ours, theirs))
    paired = paired_difference([r for *_, r in first], [r for *_, r in second], [p for p, *_ in first], seed=0)
    return asdict(paired.difference) | {"p": paired.p_value, "seeds": len(shared)}


def table(result: dict[str, Any]) -> str:
    """Markdown: per cent right with 95 % interval, and what it took."""
    lines = [
        f"| arm | seeds | tokens | steps | memory MB | all | {' | '.join(SKILLS)} |",
        "|---" * (6 + len(SKILLS)) + "|",
    ]
    for name, arm in result["arms"].items():
        scores = [arm["accuracy"].get(skill) for skill in ("all", *SKILLS)]
        cells = [f"{100 * v['value']:.1f} ({100 * v['low']:.0f}–{100 * v['high']:.0f})" if v else "" for v in scores]
        took = [len(arm["seeds"]), arm["image_tokens"], arm["steps"], round(arm["memory_megabytes"])]
        lines.append(f"| {' | '.join([name, *map(str, took), *cells])} |")
    return "\n".join(lines)


def main(
    stage: str,
    folder: Path,
    docs: Path,
    only: str,
    seeds: str,
    gigaflops: float,
    minutes: float | None,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    run = FusionRun(gigaflops=gigaflops, seeds=tuple(int(seed) for seed in seeds.split(",")))
    if stage == "train":
        train_all(run, folder, only.split(","), list(run.seeds), minutes)
    print(table(report(run, folder, docs)))


def train_all(run: FusionRun, folder: Path, names: list[str], seeds: list[int], minutes: float | None) -> bool:
    """Seed by seed, so that an early stop leaves a whole comparison of fewer seeds.

    Raises ConfigError for an arm that does not exist, or a folder that was begun with other settings.
    """
    if unknown := sorted(set(names) - set(ARMS)):
        raise ConfigError(f"there is no arm {unknown[0]!r}; choose from {', '.join(ARMS)}")
    same_run(run, folder, free=("seeds",))
    began, bundle = time.monotonic(), load_bundle(run.tower)
    for seed in seeds:
        for name in names:
            left = None if minutes is None else 60 * minutes - (time.monotonic() - began)
            if (left is not None and left <= 0) or not run_arm(run, bundle, name, seed, folder, left):
                return False
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", default="train", choices=("train", "report"))
    parser.add_argument("--folder", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--only", default=",".join(ARMS))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--gigaflops", type=float, default=FusionRun.gigaflops, help="budget of each run")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--threads", type=int, default=1)
    try:
        main(**vars(parser.parse_args()))
    except ShowtellError as error:
        parser.exit(2, f"{error}\n")
