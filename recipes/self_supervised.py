"""A small vision transformer that learns to see without being told what anything is, on the pack of cut-outs.

    python -m recipes.self_supervised --method dino       again: resumes;  --minutes 30: stops there, resumable
    python -m recipes.self_supervised --method mae
    python -m recipes.self_supervised --method labels     the baseline: few labels, nothing else
    python -m recipes.self_supervised --stage report      k-NN and linear probes of all of them

    dino      two large and four small crops, a teacher, patches blanked out       vision/distill_step.py
    mae       three quarters of the patches gone, to be painted                    vision/masked.py
    labels    the same tower trained by cross-entropy on `few` labelled pictures a category, with the same views

All see the pictures of the training side, each view on a flat ground of its own random colour (a ground that the views
of a picture shared would be all that DINO needs to match them); no label enters the first two. The report asks k-NN
and a linear probe, taught by all or by `few` labels a category, to name *held-out* pictures (another drawing or
photograph of the category; near twins are never on both sides), with Wilson intervals, against a tower that was never
trained and against bare pixels. A run that is not finished is reported at the step it has reached.

Cost, in seconds of one core of an AMD EPYC with bf16: a step of 32 pictures takes 0.6 and 0.2 for its crops (dino),
0.12 and its views (mae), so the defaults are about 27 and 8 minutes of an idle core. The bar, measured: an untrained
tower names 6.1 % (4–9) of the 329 held-out pictures of 129 categories by k-NN and 17.6 % (14–22) by a linear probe,
bare pixels 21.6 % (17–26) and 19.1 % (15–24).
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.same_run import same_run
from showtell.core.checkpoint import fill_module, load_tensors, write_atomically
from showtell.core.errors import ShowtellError
from showtell.data.loader import Batches
from showtell.data.order import Permutation
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.engine.state import checkpoints, damage
from showtell.engine.step import Loss
from showtell.images.augment import ViewConfig, draw_view
from showtell.metrics.intervals import paired_difference, wilson
from showtell.vision.classifier import VisionClassifier
from showtell.vision.collapse import watch
from showtell.vision.distill_step import DistillConfig, DistillStep, TeacherStudent, following
from showtell.vision.masked import MaskedAutoencoder, MaskedStep, PainterConfig
from showtell.vision.multicrop import CropConfig, MultiCrop, OneView, Picture, pixels_of
from showtell.vision.probe import fit_probe, knn
from showtell.vision.vit import VisionTransformer, ViTConfig
from showtell.worlds.cutouts import Cutout, load_pack

Method = Literal["dino", "mae", "labels"]
METHODS: tuple[Method, ...] = ("dino", "mae", "labels")


@dataclass(frozen=True, kw_only=True)
class SelfRun:
    """Everything that decides what is trained and asked.

    seed: of weights, crops and the choice of labelled pictures.
    image_size, small_size, patch_size: sides of large views, small views and patches in pixels.
    dim, depth, heads, registers: of the tower.
    steps: of each method.
    batch, lr, warmup: of every method.
    smalls, prototypes, balance, momentum: of DINO, see `CropConfig` and `DistillConfig`.
    missing, painter_dim, painter_depth: of MAE, see `masked.py`.
    least: categories with fewer training pictures are not asked about (all are trained on).
    few: labelled pictures a category of the baseline and of the probes taught by few.
    watch_every: steps between looks for collapse.
    """

    seed: int = 1
    image_size: int = 64
    small_size: int = 32
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 2
    registers: int = 4
    steps: tuple[int, int, int] = (2000, 3000, 600)  # dino, mae, labels
    batch: int = 32
    lr: float = 1e-3
    warmup: int = 100
    smalls: int = 4
    prototypes: int = 512
    balance: Literal["sinkhorn", "centring"] = "sinkhorn"
    momentum: float = 0.98
    missing: float = 0.75
    painter_dim: int = 96
    painter_depth: int = 2
    least: int = 5
    few: int = 3
    watch_every: int = 100
    precision: Literal["fp32", "bf16"] = "bf16"
    workers: int = 0

    @property
    def vision(self) -> ViTConfig:
        return ViTConfig(
            image_size=(self.image_size, self.image_size),
            patch_size=self.patch_size,
            dim=self.dim,
            depth=self.depth,
            heads=self.heads,
            mlp_dim=4 * self.dim,
            class_token=True,
            registers=self.registers,
            mask_token=True,
        )

    @property
    def large(self) -> ViewConfig:
        return ViewConfig(size=self.image_size, share=(0.4, 1.0))

    @property
    def distill(self) -> DistillConfig:
        return DistillConfig(
            steps=self.steps[0],
            prototypes=self.prototypes,
            balance=self.balance,
            momentum=self.momentum,
            temperature_warmup=self.steps[0] // 5,
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Categories that are asked about."""
        pack = load_pack()
        taught, asked = pack.by_category("train"), pack.by_category("heldout", style_twins=False)
        return tuple(name for name in taught if len(taught[name]) >= self.least and name in asked)


@dataclass(frozen=True)
class OnFlatGround:
    """Cut-outs, each on a ground of one random colour; the label is the place of its category in `classes`, or -1."""

    cutouts: tuple[Cutout, ...]
    classes: tuple[str, ...]
    seed: int

    def __call__(self, position: int, rng: np.random.Generator) -> tuple[Picture, int]:
        cutout = self.cutouts[Permutation(self.seed, len(self.cutouts))(position)]
        label = self.classes.index(cutout.category) if cutout.category in self.classes else -1
        return flat(load_pack().rgba(cutout), rng.integers(60, 256, size=3)), label


def taught_pictures() -> tuple[Cutout, ...]:
    return tuple(cutout for cutout in load_pack().instances if cutout.split == "train")


def flat(rgba: np.ndarray, colour: np.ndarray, margin: float = 0.08) -> Picture:
    """A square picture: the cut-out in the middle of a ground of one colour."""
    height, width = rgba.shape[:2]
    side = round(max(height, width) * (1 + 2 * margin))
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    alpha = rgba[..., 3:].astype(np.float32) / 255
    place = canvas[top : top + height, left : left + width]
    place[:] = place * (1 - alpha) + rgba[..., :3] * alpha
    return canvas.round().astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------ training


def run_method(run: SelfRun, method: Method, folder: Path, seconds: float | None = None, **changes: Any) -> Outcome:
    """Train, or go on with, one method below `folder / method`. `changes` go to the loop."""
    same_run(run, folder, free=("least", "workers", "watch_every"))
    torch.manual_seed(run.seed)
    return TRAINERS[method](run, folder / method, loop_config(run, method, seconds, **changes))


def loop_config(run: SelfRun, method: Method, seconds: float | None, **changes: Any) -> LoopConfig:
    settings: dict[str, Any] = {
        "max_steps": run.steps[METHODS.index(method)],
        "seed": run.seed,
        "precision": run.precision,
        "log_every": 50,
        "save_every_seconds": 180,
        "stop_after_seconds": seconds,
    }
    return LoopConfig(**(settings | changes))


def train_dino(run: SelfRun, folder: Path, loop: LoopConfig) -> Outcome:
    grid = run.vision.grid
    small = ViewConfig(size=run.small_size, share=(0.15, 0.4))
    crops = CropConfig(large=run.large, small=small, smalls=run.smalls, grid=grid)
    data = MultiCrop(OnFlatGround(taught_pictures(), (), run.seed), crops, run.seed)
    model = TeacherStudent(run.vision, run.distill)
    shown = watched_pictures(run)

    def features(trained: TeacherStudent) -> Tensor:
        return trained.teacher.vision(shown).pooled

    def answers(trained: TeacherStudent) -> Tensor:
        return (trained.teacher.head(features(trained)) / trained.config.student_temperature).softmax(dim=-1)

    return fit(run, loop, folder, model, DistillStep(), data, watch(features, answers), following(model))


def train_mae(run: SelfRun, folder: Path, loop: LoopConfig) -> Outcome:
    painter = PainterConfig(dim=run.painter_dim, depth=run.painter_depth, heads=2, mlp_dim=4 * run.painter_dim)
    view = ViewConfig(size=run.image_size, share=(0.4, 1.0), tint=0.0, grey=0.0, blur=0.0)  # He et al.: crops suffice
    data = OneView(OnFlatGround(taught_pictures(), (), run.seed), view, run.seed)
    model = MaskedAutoencoder(VisionTransformer(run.vision), painter)
    step, shown = MaskedStep(run.missing), watched_pictures(run)

    def paint(trained: MaskedAutoencoder, batch: tuple[Tensor, Tensor]) -> Loss:
        return step(trained, batch[0])

    def features(trained: MaskedAutoencoder) -> Tensor:
        return trained.encoder(shown).tokens.mean(dim=1)

    return fit(run, loop, folder, model, paint, data, watch(features))


def train_labels(run: SelfRun, folder: Path, loop: LoopConfig) -> Outcome:
    labelled = tuple(cutout for cutout, _ in few_labels(run))
    data = OneView(OnFlatGround(labelled, run.classes, run.seed), run.large, run.seed)
    model = VisionClassifier(run.vision, run.classes, with_mean=True)

    def name(trained: VisionClassifier, batch: tuple[Tensor, Tensor]) -> Loss:
        pixels, labels = batch
        return Loss(F.cross_entropy(trained(pixels).float(), labels, reduction="sum"), float(len(labels)))

    return fit(run, loop, folder, model, name, data, None)


TRAINERS: dict[Method, Callable[[SelfRun, Path, LoopConfig], Outcome]] = {
    "dino": train_dino,
    "mae": train_mae,
    "labels": train_labels,
}


def fit(
    run: SelfRun,
    loop: LoopConfig,
    folder: Path,
    model: nn.Module,
    step: Callable[[Any, Any], Loss],
    data: MultiCrop | OneView,
    watching: Callable[[Any], Mapping[str, float]] | None,
    on_step: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Outcome:
    return train(
        loop,
        model=model,
        step=step,
        batches=Batches(data.make, data.collate, batch_size=run.batch, workers=run.workers),
        optimizer=make_optimizer(model, OptimizerConfig(lr=run.lr, weight_decay=0.04)),
        schedule=Cosine(steps=loop.max_steps, warmup=run.warmup, floor=0.01),
        folder=folder,
        gates=[Gate(check=watching, every=run.watch_every, name="collapse")] if watching else [],
        on_step=on_step,
    )


def watched_pictures(run: SelfRun, count: int = 128) -> Tensor:
    """Different pictures on which collapse would show."""
    cutouts = taught_pictures()
    return shown(run, [cutouts[i] for i in range(0, len(cutouts), max(1, len(cutouts) // count))][:count])


def shown(run: SelfRun, cutouts: list[Cutout]) -> Tensor:
    """Whole pictures on a light ground, as they are asked about; (pictures, 3, side, side)."""
    view = ViewConfig(size=run.image_size, share=(1.0, 1.0), squeeze=1.0, mirror=0, tint=0, grey=0, blur=0)
    rng, pack = np.random.default_rng(0), load_pack()  # nothing is left to chance
    return pixels_of([draw_view(flat(pack.rgba(cutout), np.full(3, 230)), view, rng) for cutout in cutouts])


def few_labels(run: SelfRun) -> list[tuple[Cutout, int]]:
    """`few` pictures a category, in the order of the pack, spread over it."""
    taught = load_pack().by_category("train")
    rng = np.random.default_rng(run.seed)
    return [
        (taught[name][i], label)
        for label, name in enumerate(run.classes)
        for i in sorted(rng.choice(len(taught[name]), size=min(run.few, len(taught[name])), replace=False))
    ]


# ------------------------------------------------------------------------------------------------------------- report


@torch.no_grad()
def features_of(run: SelfRun, tower: VisionTransformer, pixels: Tensor, size: int = 64) -> Tensor:
    """(pictures, 2 dim): the class token beside the mean of the patches, alike for every tower."""
    tower.eval()
    outputs = [tower(part) for part in pixels.split(size)]
    return torch.cat([torch.cat([out.prefix[:, 0], out.tokens.mean(dim=1)], dim=1) for out in outputs])


def towers(run: SelfRun, folder: Path) -> dict[str, tuple[VisionTransformer, int]]:
    """name -> tower and the step it comes from; what has not begun is left out."""
    torch.manual_seed(run.seed)
    found = {"random": (VisionTransformer(run.vision), 0)}
    parts = {"dino": "teacher.vision.", "mae": "encoder.", "labels": "vision."}
    for method, prefix in parts.items():
        done = folder / method / "model.safetensors"
        saved = [path for path in checkpoints(folder / method / "checkpoints") if damage(path) is None]
        if not done.exists() and not saved:
            continue
        tensors = load_tensors(done if done.exists() else saved[0] / "model.safetensors")
        tower = VisionTransformer(run.vision)
        fill_module(tower, {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}, method)
        found[method] = (tower, json.loads((saved[0] / "state.json").read_text())["step"])
    return found


def report(run: SelfRun, folder: Path) -> dict[str, Any]:
    """Ask every tower about held-out pictures; written to `folder/report.json`."""
    same_run(run, folder, free=("least", "workers", "watch_every"))
    pack, few = load_pack(), few_labels(run)
    taught, asked = pack.by_category("train"), pack.by_category("heldout", style_twins=False)
    full = [(cutout, label) for label, name in enumerate(run.classes) for cutout in taught[name]]
    held = [(cutout, label) for label, name in enumerate(run.classes) for cutout in asked[name]]
    pixels = {key: shown(run, [c for c, _ in rows]) for key, rows in (("all", full), ("few", few), ("held", held))}
    labels = {key: torch.tensor([n for _, n in rows]) for key, rows in (("all", full), ("few", few), ("held", held))}
    known = towers(run, folder)
    embedded = {name: {k: features_of(run, tower, p) for k, p in pixels.items()} for name, (tower, _) in known.items()}
    embedded["pixels"] = {key: F.avg_pool2d(p, 4).flatten(1) for key, p in pixels.items()}
    right: dict[str, dict[str, list[float]]] = {}
    for name, rows in embedded.items():
        right[name] = {}
        for amount in ("all", "few"):
            said = {
                "k-NN": knn(rows[amount], labels[amount], rows["held"]),
                "linear": fit_probe(rows[amount], labels[amount]).predict(rows["held"]),
            }
            right[name] |= {f"{how}, {amount}": (s == labels["held"]).double().tolist() for how, s in said.items()}
    result = {
        "run": asdict(run),
        "categories": len(run.classes),
        "pictures": {key: len(rows) for key, rows in labels.items()} | {"trained on": len(taught_pictures())},
        "steps": {name: step for name, (_, step) in known.items()},
        "accuracy": {
            name: {k: asdict(wilson(int(sum(v)), len(v))) for k, v in rows.items()} for name, rows in right.items()
        },
        "against": {
            f"{name} - {other}": {k: _difference(right[name][k], right[other][k]) for k in right[name]}
            for name in ("dino", "mae")
            for other in ("random", "labels")
            if name in right and other in right
        },
    }
    write_atomically(folder / "report.json", (json.dumps(result, indent=1) + "\n").encode())
    return result


def _difference(ours: list[float], theirs: list[float]) -> dict[str, float]:
    paired = paired_difference(ours, theirs, range(len(ours)), seed=0)
    return asdict(paired.difference) | {"p": paired.p_value}


def table(result: dict[str, Any]) -> str:
    """The report as Markdown: per cent of the held-out pictures, 95 % interval."""
    columns = next(iter(result["accuracy"].values())).keys()
    lines = [f"| tower | steps | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    for name, rows in result["accuracy"].items():
        cells = [f"{100 * v['value']:.1f} ({100 * v['low']:.0f}–{100 * v['high']:.0f})" for v in rows.values()]
        lines.append(f"| {name} | {result['steps'].get(name, '')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(method: Method, stage: str, folder: Path, minutes: float | None, threads: int) -> None:
    torch.set_num_threads(threads)
    run = SelfRun()
    if stage == "report":
        print(table(report(run, folder)))
        return
    run_method(run, method, folder, None if minutes is None else 60 * minutes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="dino", choices=METHODS)
    parser.add_argument("--stage", default="train", choices=("train", "report"))
    parser.add_argument("--folder", type=Path, default=Path("runs/self"))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--threads", type=int, default=1)
    try:
        main(**vars(parser.parse_args()))
    except ShowtellError as error:
        parser.exit(2, f"{error}\n")
