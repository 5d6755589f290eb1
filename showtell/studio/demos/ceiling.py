"""3.3 The ceiling of a batch: InfoNCE as an estimate of mutual information, with towers that cannot be improved."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.contrastive.losses import info_nce
from showtell.studio.series.bounds import bounded
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.list_bounds import ticks
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools

DIM = 8
SIZES = tuple(2**power for power in range(1, 10))
SHOWN = 32  # pairs of the matrix
MOST_BATCHES, PAIRS_IN_ALL = 12, 1024


@dataclass(frozen=True)
class State:
    information: float = ticks(5.0, (0.5, 1, 2, 3, 4, 5, 6, 8, 10), label="Information a pair shares", unit="nats")
    batch: float = ticks(16, SIZES, label="Batch", unit="pairs")
    copies: float = ticks(0.0, (0, 0.25, 0.5, 0.75), label="Share of captions that are copies")
    factor: float = ticks(1.0, (0.25, 0.5, 1, 2, 4), label="Scores multiplied by")
    cell: int = bounded(0, Cell(label="Picture and caption", count=SHOWN**2))


class Ceiling(Demo[State]):
    name = "ceiling"
    number = "3.3"
    title = "The ceiling of a batch"
    lede = (
        "Pairs of which we know exactly how much one half tells about the other, and the best towers that can exist. "
        "Change the batch, and see how much of that information the loss can certify."
    )
    claim = "log N − loss is never above log N, and on average never above the information that the pairs share."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        key = (state.information, state.copies, state.factor)
        certified = tools.remember(("ceiling", *key), lambda: [estimate(state, size) for size in SIZES])
        lost = [multiplicity(size, state.copies) for size in SIZES]
        ceilings = [math.log(size) for size in SIZES]
        now = SIZES.index(int(state.batch))
        images, texts = pairs(state.information, SHOWN, state.copies, seed=0)
        believed = (state.factor * images @ texts.T).softmax(dim=1)
        top = max(ceilings[-1], state.information)
        return Scene(
            widgets=(
                Lines(
                    title="What the loss certifies: log N − loss",
                    xs=[math.log2(size) for size in SIZES],
                    lines=[
                        Line(name="certified", ys=certified, concept="image"),
                        Line(name="ceiling, log N", ys=ceilings, concept="query", dashed=True),
                        Line(name="shared, I", ys=[state.information] * len(SIZES), concept="plain", dashed=True),
                    ],
                    x_name="log₂ of the batch",
                    y_name="nats",
                    at=math.log2(state.batch),
                    low=min(0.0, *certified),
                    high=top,
                    size="l",
                ),
                Bars(
                    title=f"At {int(state.batch)} pairs, in nats",
                    names=("shared by the pairs", "ceiling, log N", "ceiling less the copies", "certified"),
                    values=(state.information, ceilings[now], ceilings[now] - lost[now], max(certified[now], 0.0)),
                    texts=[
                        f"{value:.2f}"
                        for value in (state.information, ceilings[now], ceilings[now] - lost[now], certified[now])
                    ],
                    top=top,
                    concepts=("plain", "query", "query", "image"),
                    size="q",
                ),
                Raster(
                    title=f"The softmax of one batch of {SHOWN}",
                    rgb=sequential(believed, top=1.0),
                    grid=(SHOWN, SHOWN),
                    values=believed.flatten().tolist(),
                    field="cell",
                    selected=state.cell,
                    note="rows: pictures; columns: captions; copies are columns that share one belief",
                ),
            ),
            says=verdict(state, certified[now], ceilings[now], lost[now]),
            facts=(
                ("loss per pair", f"{ceilings[now] - certified[now]:.3f}"),
                ("of the shared information", f"{100 * max(certified[now], 0.0) / state.information:.0f} %"),
                ("lost to copies, at least", f"{lost[now]:.3f}"),
                ("ceiling of CLIP’s 32,768", f"{math.log(32768):.1f} nats"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for information in (1.0, 4.0, 10.0):
            for size in (4, 64, 256):
                each = torch.tensor([one_batch(State(information=information), size, seed) for seed in range(16)])
                assert float(each.max()) <= math.log(size) + 1e-4
                error = float(each.std()) / len(each) ** 0.5
                assert float(each.mean()) <= information + 3 * error
        many = estimate(State(information=2.0), 512)
        assert 1.6 < many < 2.2, "a large batch finds nearly all of a small amount"
        for copies in (0.25, 0.75):
            for size in (16, 256):
                best = math.log(size) - multiplicity(size, copies)
                assert one_batch(State(information=10.0, copies=copies), size, 3) <= best + 1e-4


def pairs(information: float, count: int, copies: float, seed: int) -> tuple[Tensor, Tensor]:
    """(count, DIM + 2) twice: Gaussian pairs that share `information` nats, mapped so that their product is
    log p(x, y) / p(x) p(y): no tower can do better.

    A share of the captions are copies of earlier ones, each with a picture of its own.
    """
    squared = 1 - math.exp(-2 * information / DIM)  # of the correlation, in every dimension
    generator = torch.Generator().manual_seed(1000 * count + seed)
    y = torch.randn(count, DIM, generator=generator)[sources(count, copies)]
    noise = torch.randn(count, DIM, generator=generator)
    x = squared**0.5 * y + (1 - squared) ** 0.5 * noise
    sharp, own = squared**0.5 / (1 - squared), -squared / (2 * (1 - squared))
    one = torch.ones(count, 1)
    square_x, square_y = (own * values.square().sum(dim=1, keepdim=True) for values in (x, y))
    return torch.cat([sharp * x, square_x, one], dim=1), torch.cat([y, one, square_y], dim=1)


def sources(count: int, copies: float) -> Tensor:
    """For each caption, which of the different captions it is: the last `copies` of them repeat the first."""
    different = max(1, count - int(copies * count))
    return torch.arange(count) % different


def multiplicity(count: int, copies: float) -> float:
    """Mean log of how often a caption stands in the batch: the loss that nobody can avoid."""
    times = sources(count, copies).bincount().double()
    return float((times * times.log()).sum() / count)


def one_batch(state: State, size: int, seed: int) -> float:
    """log N - loss of one batch."""
    images, texts = pairs(state.information, size, state.copies, seed)
    loss = info_nce(images, texts, torch.tensor(float(state.factor))) / size
    return math.log(size) - float(loss)


def estimate(state: State, size: int) -> float:
    """The same, mean of several batches."""
    batches = max(2, min(MOST_BATCHES, PAIRS_IN_ALL // size))
    return sum(one_batch(state, size, seed) for seed in range(batches)) / batches


def verdict(state: State, certified: float, ceiling: float, lost: float) -> str:
    shared = state.information
    if certified < 0:
        return "These scores are so sure of wrong captions that the loss is worse than guessing: nothing is certified."
    said = f"The pairs share {shared:g} nats; a batch of {int(state.batch)} certifies {certified:.2f}."
    if lost > 0.05:
        return (
            f"{said} Copies alone cost {lost:.2f}: a caption that stands there twice can be right only half the time."
        )
    if shared > ceiling:
        return (
            f"{said} Its ceiling is log {int(state.batch)} = {ceiling:.2f}: perfect towers, and the batch is too small."
        )
    return f"{said} Its ceiling, {ceiling:.2f}, is above what there is to find."
