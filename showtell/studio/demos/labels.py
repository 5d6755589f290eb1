"""1.6 How many labels is a feature worth? The same linear classifier on four representations of the same pictures."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from showtell.images.resize import resize_by_matrix
from showtell.studio import board_models as models
from showtell.studio.series.bounds import one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.heat import Heat
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Concept, Line, Lines, Scene, Wall
from showtell.studio.series.tools import Tools
from showtell.vision.probe import LinearProbe, fit, fit_probe
from showtell.vision.vit import VisionTransformer
from showtell.worlds import board
from showtell.worlds.dice import keyed

FEATURES: dict[str, tuple[str, Concept]] = {
    "pixels": ("pixels", "plain"),
    "convolution": ("random convolution", "query"),
    "random": ("transformer, random weights", "key"),
    "trained": ("transformer, trained", "image"),
}
PER_CLASS = (1, 2, 4, 8, 16, 32)
SEEDS, TEST, RIDGE = 3, 160, 10.0
COUNT = 2 * PER_CLASS[-1] * len(board.SHAPES) + TEST


@dataclass(frozen=True)
class State:
    feature: str = one_of("pixels", {key: name for key, (name, _) in FEATURES.items()}, label="Representation")
    labels: int = one_of(8, {str(n): str(n) for n in PER_CLASS}, label="Labels a class", typed=int)
    wrong: int = stepped(0, low=0, high=60, step=20, label="Labels that are wrong", unit="%")


class Labels(Demo[State]):
    name = "labels"
    number = "1.6"
    title = "How many labels is a feature worth?"
    lede = (
        "Name the shape, whatever its colour, place and light. The classifier is the same each time, one matrix in "
        "closed form; only what it is given differs. Change the number of labels, or spoil some of them."
    )
    claim = (
        "The closed form is where gradient descent on the same loss ends, and with eight labels a class the trained "
        "representation is right more often than the pixels."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        features = tools.remember(("labels",), representations)
        curves = tools.remember(("labels", state.wrong), lambda: all_curves(features, state.wrong))
        rows, names = features[state.feature], truth()
        probe, chosen = fitted(rows, names, state.labels, state.wrong, seed=0)
        said = probe.predict(rows[-TEST:])
        confusion = torch.zeros(len(board.SHAPES), len(board.SHAPES))
        confusion.index_put_((names[-TEST:], said), torch.ones(TEST), accumulate=True)
        confusion = confusion / confusion.sum(dim=1, keepdim=True)
        at = PER_CLASS.index(state.labels)
        pictures = (chosen.tolist() * 8)[:8]
        return Scene(
            widgets=(
                Lines(
                    title=f"Right on {TEST} new pictures, mean of {SEEDS} draws of the labels",
                    xs=list(range(len(PER_CLASS))),
                    lines=[Line(name=n, ys=curves[key], concept=c) for key, (n, c) in FEATURES.items()],
                    ticks=[str(n) for n in PER_CLASS],
                    x_name="labels a class",
                    y_name="share right",
                    at=at,
                    low=0.0,
                    high=1.0,
                    size="l",
                ),
                Heat(
                    title="What is called what",
                    rgb=sequential(confusion, top=1.0),
                    rows=board.SHAPES,
                    cols=board.SHAPES,
                    values=confusion.flatten().tolist(),
                    texts=[f"{100 * share:.0f}" for share in confusion.flatten().tolist()],
                    note="rows: what it is; columns: what is said, in per cent",
                ),
                Wall(
                    title="Some that were labelled",
                    maps=[picture(index) for index in pictures],
                    cols=4,
                    names=[board.SHAPES[int(names[index])] for index in pictures],
                    values=[float(index) for index in pictures],
                    value_name="picture number",
                    field="",
                    selected=0,
                    size="q",
                ),
            ),
            says=verdict(state, {key: curve[at] for key, curve in curves.items()}),
            facts=(
                ("numbers a picture", f"{rows.shape[1]}"),
                ("labels used", f"{state.labels * len(board.SHAPES)}"),
                ("weights of the classifier", f"{probe.weights.numel():,}"),
                ("guessing would be right", f"{100 / len(board.SHAPES):.0f} %"),
            ),
        )

    def check(self, tools: Tools) -> None:
        features = tools.remember(("labels",), representations)
        names = truth()
        probe, chosen = fitted(features["trained"], names, 16, 0, seed=1)
        x = (features["trained"][chosen].double() - probe.mean) / probe.deviation
        y = F.one_hot(names[chosen], len(board.SHAPES)).double()
        weights, bias = torch.zeros(x.shape[1], y.shape[1], dtype=torch.double), y.mean(dim=0)
        step = 1 / (torch.linalg.matrix_norm(x, 2) ** 2 + RIDGE)
        for _ in range(3000):
            weights -= step * (x.T @ (x @ weights - (y - bias)) + RIDGE * weights)
        assert float((weights - probe.weights[:-1]).abs().max()) < 1e-5, "the closed form is not where descent ends"
        right = {key: accuracy(features[key], names, 8, 0) for key in ("pixels", "trained")}
        assert right["trained"] > right["pixels"], right


def picture(index: int) -> UInt8[np.ndarray, "side side 3"]:
    """One thing, anywhere, in any colour and light; its shape is that of its number."""
    dice = keyed(21, index)
    cells = list(board.EMPTY)
    cells[dice.below(board.CELLS)] = board.item(dice.choice(board.COLORS), board.SHAPES[index % len(board.SHAPES)])
    return board.draw(tuple(cells), dice)


def truth() -> Tensor:
    """The shape of each picture."""
    return torch.arange(COUNT) % len(board.SHAPES)


@torch.no_grad()
def representations() -> dict[str, Tensor]:
    """The same pictures, four times over: (pictures, numbers)."""
    seen = models.pixels_of([picture(index) for index in range(COUNT)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = VisionTransformer(models.TOWER).eval()
        filters = torch.randn(32, 3, 7, 7) / 7
    waves = F.relu(F.conv2d(seen, filters, stride=2, padding=3))
    return {
        "pixels": resize_by_matrix(seen, 8, 8, "bilinear").flatten(1),
        "convolution": F.adaptive_max_pool2d(waves, 3).flatten(1),
        "random": untrained(seen).pooled,
        "trained": models.tower()(seen).tokens.amax(dim=1),
    }


def fitted(rows: Tensor, names: Tensor, labels: int, wrong: int, seed: int) -> tuple[LinearProbe, Tensor]:
    """(the probe, which pictures were labelled) for so many labels a class, some of them wrong."""
    generator = torch.Generator().manual_seed(seed)
    pool = len(rows) - TEST
    kinds = len(board.SHAPES)
    order = torch.randperm(pool // kinds, generator=generator)[:labels]
    chosen = (order[:, None] * kinds + torch.arange(kinds)).flatten()  # as many of each shape
    told = names[chosen].clone()
    spoiled = torch.randperm(len(told), generator=generator)[: round(wrong / 100 * len(told))]
    told[spoiled] = (told[spoiled] + torch.randint(1, kinds, (len(spoiled),), generator=generator)) % kinds
    if labels == 1 or len(told.unique()) < kinds:
        return fit(rows[chosen], told, names, RIDGE), chosen
    return fit_probe(rows[chosen], told, ridge=RIDGE), chosen


def accuracy(rows: Tensor, names: Tensor, labels: int, wrong: int) -> float:
    """Share right on the pictures that nobody labelled, mean over draws."""
    probes = [fitted(rows, names, labels, wrong, seed)[0] for seed in range(SEEDS)]
    return sum(float((p.predict(rows[-TEST:]) == names[-TEST:]).double().mean()) for p in probes) / SEEDS


def all_curves(features: dict[str, Tensor], wrong: int) -> dict[str, list[float]]:
    names = truth()
    return {key: [accuracy(rows, names, n, wrong) for n in PER_CLASS] for key, rows in features.items()}


def verdict(state: State, now: dict[str, float]) -> str:
    best = max(now, key=lambda key: now[key])
    return (
        f"With {state.labels} label{'s' if state.labels > 1 else ''} a class the same classifier is right "
        f"{100 * now[state.feature]:.0f} % of the time on {FEATURES[state.feature][0]}, and {100 * now[best]:.0f} % on "
        f"{FEATURES[best][0]}."
    )
