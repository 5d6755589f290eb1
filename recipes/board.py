"""The small models of chapter 4, on the world of `worlds/board.py`, on one CPU core.

    python -m recipes.board --stage see read connect gates resample early mid late score   [--folder F]

    see       tower alone          what covers each patch: colour, shape, place           it never reads a word
    read      decoder alone        descriptions of boards, questions and answers          it never sees a picture
    connect   two layers           the frozen tower's tokens into the frozen decoder      snapshots are kept
    gates     gated looks          the frozen decoder looks aside at the frozen tower
    resample  resampler, matrix    16 latents in place of 36 patches, a random number of them kept in every step
    early, mid, late               three ways to let a question and a picture meet, trained alike
    score                          right answers on held-out boards, for the figures

Only the parts that a stage names are trained. Files go to `showtell/studio/models/`; what came out is in `docs/LOG.md`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from showtell.core.checkpoint import module_tensors, save_tensors
from showtell.core.masks import causal_mask
from showtell.data.loader import Batches
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Cosine
from showtell.engine.step import Loss
from showtell.studio import board_models as models
from showtell.studio.board_scores import RECORD
from showtell.studio.demos import latents, meeting
from showtell.text.decoder import Decoder
from showtell.vision.vit import VisionTransformer
from showtell.worlds import board
from showtell.worlds.dice import Dice, keyed

LENGTH = 48
MIXTURE = ("color", "shape", "where", "count", "exists", "exists", "relation", "relation", "describe")
SNAPSHOTS = (0, 5, 20, 60, 200, 700)


@dataclass(frozen=True)
class Sample:
    """A picture (or none), a row of ids, and how much each of them counts in the loss."""

    picture: np.ndarray | None
    ids: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Rows:
    """Samples stacked."""

    pixels: Tensor
    ids: Tensor
    weights: Tensor


def asked(seen: board.Board, dice: Dice, room: int) -> tuple[list[str], list[float]]:
    """Questions and answers that fit into `room` words; answers count fully, the rest hardly."""
    words: list[str] = []
    weights: list[float] = []
    for _ in range(12):
        one = board.ask(seen, dice.choice(MIXTURE), dice)
        if one is not None and len(words) + len(one.question) + len(one.answer) + 1 <= room:
            words += [*one.question, *one.answer, board.STOP]
            weights += [0.05] * len(one.question) + [1.0] * (len(one.answer) + 1)
    return words, weights


def row(words: Sequence[str], weights: Sequence[float], length: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.zeros(length, np.int64)
    counted = np.zeros(length, np.float32)
    ids[: len(words)], counted[: len(words)] = board.encode(words), weights
    return ids, counted


def text_sample(seed: int, position: int) -> Sample:
    """A description, seven times in eight, and questions about it."""
    dice = keyed(seed, position)
    seen = board.sample(dice)
    told = board.description(seen) if dice.chance(0.85) else ()
    words, weights = asked(seen, dice, LENGTH - len(told) - 2)
    opening = [0.0, *[0.1] * len(told), 0.1]
    return Sample(None, *row([board.START, *told, board.STOP, *words], [*opening, *weights], LENGTH))


def picture_sample(seed: int, position: int, room: int) -> Sample:
    """A picture, and questions about it that are to be read after it: `start . question answer . ...`"""
    dice = keyed(seed, position)
    seen = board.sample(dice)
    words, weights = asked(seen, dice, room)
    ids, counted = row([board.STOP, *words], [0.0, *weights], room + 1)
    return Sample(board.draw(seen, dice), ids, counted)


def stack(samples: Sequence[Sample]) -> Rows:
    pictures = [one.picture for one in samples if one.picture is not None]
    pixels = models.pixels_of(pictures) if pictures else torch.zeros(0)
    return Rows(pixels, *(torch.from_numpy(np.stack([getattr(one, n) for one in samples])) for n in ("ids", "weights")))


def next_word_loss(logits: Callable[[Tensor], Tensor], hidden: Tensor, ids: Tensor, weights: Tensor) -> Loss:
    """Weighted next-word loss over the positions that count; `hidden` has one position a word."""
    targets, counted = ids[:, 1:].flatten(), weights[:, 1:].flatten()
    kept = counted > 0
    scores, targets, counted = logits(hidden[:, :-1].flatten(0, 1)[kept]), targets[kept], counted[kept]
    losses = F.cross_entropy(scores.float(), targets, reduction="none")
    answers = counted == 1
    right = (scores.argmax(-1) == targets)[answers].float().mean()
    return Loss((losses * counted).sum(), counted.sum(), {"answers": right})


def read_step(decoder: Decoder, rows: Rows) -> Loss:
    count = rows.ids.shape[1]
    hidden = decoder(decoder.embed(rows.ids), torch.arange(count)[None], causal_mask(count, count))
    return next_word_loss(decoder.logits, hidden, rows.ids, rows.weights)


class Seeing(nn.Module):
    """The tower, and a head that is thrown away: colour, shape and place of what covers each patch."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = VisionTransformer(models.TOWER)
        self.head = nn.Linear(models.TOWER.dim, 1 + len(board.COLORS) + 1 + len(board.SHAPES) + models.TOKENS)


@dataclass(frozen=True)
class Patches:
    """Pictures, and the colour and shape (0 = nothing) of what covers each patch."""

    pixels: Tensor
    colors: Tensor
    shapes: Tensor


def see_sample(seed: int, position: int) -> tuple[np.ndarray, np.ndarray]:
    dice = keyed(seed, position)
    seen = board.sample(dice)
    side = models.TOWER.grid[0] // 3
    cells = np.array(seen).reshape(3, 3).repeat(side, 0).repeat(side, 1).flatten()
    return board.draw(seen, dice), cells


def stack_patches(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> Patches:
    values = torch.from_numpy(np.stack([cells for _, cells in samples]))
    there = (values > 0).long()
    count = len(board.SHAPES)
    colors, shapes = there * (1 + (values - 1) // count), there * (1 + (values - 1) % count)
    return Patches(models.pixels_of([one for one, _ in samples]), colors, shapes)


def see_step(model: Seeing, batch: Patches) -> Loss:
    sizes = (1 + len(board.COLORS), 1 + len(board.SHAPES), models.TOKENS)
    colors, shapes, places = model.head(model.tower(batch.pixels).tokens).split(sizes, dim=-1)
    own = torch.arange(models.TOKENS).expand(len(colors), -1)
    losses = [
        F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="sum")
        for scores, wanted in ((colors, batch.colors), (shapes, batch.shapes), (places, own))
    ]
    seen = batch.colors > 0
    parts = {
        "color": (colors.argmax(-1) == batch.colors)[seen].float().mean(),
        "shape": (shapes.argmax(-1) == batch.shapes)[seen].float().mean(),
    }
    return Loss(losses[0] + losses[1] + 0.1 * losses[2], float(batch.colors.numel()), parts)


def prefix_step(model: Any, rows: Rows) -> Loss:
    """Any model that reads the picture's tokens before the words."""
    hidden = models.read_after(model, model.image_tokens(rows.pixels), rows.ids)
    return next_word_loss(model.decoder.logits, hidden, rows.ids, rows.weights)


def resample_step(model: Any, rows: Rows) -> Loss:
    """A random number of latents, so that the first ones learn to do without the others."""
    model.connector.kept = 2 ** int(torch.randint(0, 5, ()))
    return prefix_step(model, rows)


def beside_step(model: Any, rows: Rows) -> Loss:
    """Gated looks at all tokens, or late fusion with one vector."""
    seen = model.image_tokens(rows.pixels) if hasattr(model, "image_tokens") else model.image_vector(rows.pixels)
    return next_word_loss(model.decoder.logits, models.read_beside(model, seen, rows.ids), rows.ids, rows.weights)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One run.

    build: the model with what is frozen already filled in and without gradients.
    kept: the part of it that is written to the package.
    """

    build: Callable[[], nn.Module]
    step: Callable[[Any, Any], Loss]
    make: Callable[[int], Any]
    collate: Callable[[Any], Any] = stack
    steps: int
    batch: int = 32
    lr: float = 3e-3
    kept: Callable[[Any], nn.Module] = lambda model: model


def fusing(kind: str) -> Stage:
    """One of the three ways, all with the same pictures, questions and steps."""
    step = beside_step if kind == "late" else prefix_step
    return Stage(
        build=lambda: models.unfused(kind), step=step, make=lambda i: picture_sample(13, i, 24), steps=FUSE, lr=2e-3
    )


FUSE = 350
STAGES: dict[str, Stage] = {
    "see": Stage(
        build=Seeing,
        step=see_step,
        make=lambda i: see_sample(3, i),
        collate=stack_patches,
        steps=1200,
        kept=lambda model: model.tower,
    ),
    "read": Stage(
        build=lambda: Decoder(models.DECODER),
        step=read_step,
        make=lambda i: text_sample(7, i),
        steps=1200,
        batch=64,
        lr=4e-3,
    ),
    "connect": Stage(
        build=models.joined,
        step=prefix_step,
        make=lambda i: picture_sample(9, i, 24),
        steps=SNAPSHOTS[-1],
        kept=lambda model: model.connector,
    ),
    "gates": Stage(
        build=models.crossed,
        step=beside_step,
        make=lambda i: picture_sample(10, i, 24),
        steps=600,
        kept=lambda model: model.cross,
    ),
    "resample": Stage(
        build=lambda: models.joined(models.ResamplerBridge()),
        step=resample_step,
        make=lambda i: picture_sample(11, i, 24),
        steps=500,
        kept=lambda model: model.connector,
    ),
    **{kind: fusing(kind) for kind in models.FUSIONS},
}


def run(name: str, folder: Path) -> dict[str, Tensor]:
    """Train a stage to its end; the tensors that are kept of it."""
    stage = STAGES[name]
    torch.manual_seed(0)
    model = stage.build()
    films: dict[str, Tensor] = {}

    def film(step: int, metrics: Any = None) -> None:
        if name == "connect" and step in SNAPSHOTS:
            films.update({f"{step}.{key}": t.clone() for key, t in module_tensors(stage.kept(model)).items()})

    film(0)
    train(
        LoopConfig(max_steps=stage.steps, log_every=50, save_every_seconds=600),
        model=model,
        step=stage.step,
        batches=Batches(stage.make, stage.collate, batch_size=stage.batch),
        optimizer=make_optimizer(model, OptimizerConfig(lr=stage.lr)),
        schedule=Cosine(steps=stage.steps, warmup=min(100, stage.steps // 5), floor=0.01),
        folder=folder / name,
        on_step=film,
    )
    return films or module_tensors(stage.kept(model))


def score(questions: int = 200) -> None:
    """Count right answers on held-out boards, for the figures."""
    counted = {"questions": questions, "latents": latents.scores(questions), "meeting": meeting.scores(questions)}
    RECORD.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")


def main(folder: Path, stages: Sequence[str]) -> None:
    torch.set_num_threads(1)
    for name in stages:
        if name == "score":
            score()
            continue
        tensors = {key: tensor.half() for key, tensor in run(name, folder).items()}
        save_tensors(tensors, models.FOLDER / f"board-{name}.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/board"))
    parser.add_argument("--stage", nargs="+", default=[*STAGES, "score"], choices=[*STAGES, "score"])
    chosen = parser.parse_args()
    main(chosen.folder, chosen.stage)
