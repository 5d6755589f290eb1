"""3.2 The thermostat: one real batch, one temperature, and how many of the wrong captions still teach."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.contrastive.duets import read, see
from showtell.contrastive.losses import info_nce
from showtell.contrastive.zero_shot import fit_temperature
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.list_bounds import ticks
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools
from showtell.worlds.dice import keyed
from showtell.worlds.duets import Duet, draw, plain, sample

TAUS = (0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
MOST = 64
TEACHES = 0.01  # a pair whose gradient has at least this share of the largest possible


@dataclass(frozen=True)
class State:
    tau: float = ticks(0.2, TAUS, label="Temperature τ")
    pairs: int = one_of(32, {n: f"{n} pairs" for n in ("8", "16", "32", "64")}, label="Batch", typed=int)
    batch: int = one_of(1, {"1": "first", "2": "second", "3": "third"}, label="Which batch", typed=int)
    cell: int = bounded(0, Cell(label="Picture and caption", count=MOST**2))


class Thermostat(Demo[State]):
    name = "thermostat"
    number = "3.2"
    title = "The thermostat"
    lede = (
        "A batch of pictures and captions that the small dual encoder has never seen. Turn the temperature: the matrix "
        "is the softmax of each picture over the captions, and the right answers are its diagonal."
    )
    claim = (
        "The loss is convex in 1/τ, and lowest where the cosine that the softmax expects equals that of the true pairs."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        images, texts, duets = tools.remember(
            ("thermostat", state.pairs, state.batch), lambda: embedded(state.pairs, state.batch, tools)
        )
        captions = [plain(duet) for duet in duets]
        cosines = images @ texts.T
        believed = (cosines / state.tau).softmax(dim=1)
        losses = [loss(images, texts, 1 / tau) for tau in TAUS]
        awake = [teaching(cosines, tau) for tau in TAUS]
        pushing = [negatives(cosines, tau) for tau in TAUS]
        learned = 1 / float(tools.duets("plain").similarity.scale.exp())
        best = 1 / fit_temperature(*both_ways(cosines))
        guess = math.log(state.pairs)
        now, axis = TAUS.index(state.tau), [math.log10(tau) for tau in TAUS]
        cell = min(state.cell, state.pairs**2 - 1)
        row = believed[cell // state.pairs]
        favourites = row.topk(4).indices.tolist()
        return Scene(
            widgets=(
                Raster(
                    title=f"Softmax over captions, τ = {state.tau:g}",
                    rgb=sequential(believed, top=1.0),
                    grid=(state.pairs, state.pairs),
                    values=believed.flatten().tolist(),
                    labels=[captions[j] for _ in range(state.pairs) for j in range(state.pairs)],
                    field="cell",
                    selected=cell,
                    note="rows: pictures; columns: captions; the right answers lie on the diagonal",
                    size="t",
                ),
                Raster(
                    title="The picture of the marked row",
                    rgb=draw(duets[cell // state.pairs], 160),
                    alt=captions[cell // state.pairs],
                    note=f"“{captions[cell // state.pairs]}”",
                    size="q",
                    smooth=True,
                ),
                Bars(
                    title="The captions it believes most",
                    names=[captions[j] for j in favourites],
                    values=row[favourites].tolist(),
                    texts=[f"{100 * share:.1f} %" for share in row[favourites].tolist()],
                    top=1.0,
                    concepts=["image" if j == cell // state.pairs else "warn" for j in favourites],
                ),
                Lines(
                    title="Over the temperature",
                    xs=axis,
                    lines=[
                        Line(name="loss, guessing = 1", ys=[value / guess for value in losses], concept="query"),
                        Line(name="pairs that still learn", ys=awake, concept="image"),
                        Line(name="negatives that push", ys=pushing, concept="warn"),
                    ],
                    x_name="log₁₀ τ",
                    y_name="share",
                    at=axis[now],
                    mark=math.log10(learned),
                    mark_name="learned",
                    low=0.0,
                    high=1.0,
                    size="w",
                ),
            ),
            says=verdict(state, losses[now], awake[now], pushing[now]),
            facts=(
                ("loss per pair", f"{losses[now]:.3f}"),
                ("guessing would cost", f"{guess:.3f}"),
                ("learned in training", f"τ = {learned:.3f}"),
                ("best for this batch", f"τ = {best:.3f}" if best > 0.002 else "none: all are right, colder is better"),
                ("slope in 1/τ here", f"{slope(cosines, state.tau):+.4f}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for batch in (1, 2):
            images, texts, _ = embedded(32, batch, tools)
            images, texts = images.double(), texts.double()
            cosines = images @ texts.T
            values = torch.tensor([loss(images, texts, scale) for scale in range(1, 200, 3)], dtype=torch.float64)
            assert bool((values[2:] - 2 * values[1:-1] + values[:-2] > -1e-9).all()), "convex"
            scale = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
            with torch.enable_grad():
                (info_nce(images, texts, scale) / 32).backward()
            assert scale.grad is not None and abs(float(scale.grad) - slope(cosines, 1 / 20)) < 1e-9
            best = fit_temperature(*both_ways(cosines))
            assert abs(slope(cosines, 1 / best)) < 1e-6, "at the bottom the two cosines agree"


def embedded(pairs: int, batch: int, tools: Tools) -> tuple[Tensor, Tensor, list[Duet]]:
    """Pictures and captions as unit vectors, and the duets; no two of a batch have the same caption."""
    dice, duets = keyed(10**9, batch, stream=32), list[Duet]()
    while len(duets) < pairs:
        duet = sample(dice, pairs=0.8)
        if plain(duet) not in map(plain, duets):
            duets.append(duet)
    model = tools.duets("plain")
    return see(model, duets), read(model, [plain(duet) for duet in duets]), duets


def loss(images: Tensor, texts: Tensor, scale: float) -> float:
    """Per pair."""
    return float(info_nce(images, texts, torch.tensor(scale, dtype=images.dtype)) / len(images))


def both_ways(cosines: Tensor) -> tuple[Tensor, Tensor]:
    """The two classifications of InfoNCE as one: scores (2 pairs, pairs) and the right answers."""
    return torch.cat([cosines, cosines.T]), torch.arange(len(cosines)).repeat(2)


def slope(cosines: Tensor, tau: float) -> float:
    """d loss / d (1/tau): the cosine that the softmax expects, less that of the true pairs."""
    scores, _ = both_ways(cosines)
    return float(((scores / tau).softmax(dim=1) * scores).sum(dim=1).mean() - cosines.diagonal().mean())


def teaching(cosines: Tensor, tau: float) -> float:
    """Share of pictures that are not yet sure of their caption."""
    return float(((cosines / tau).softmax(dim=1).diagonal() < 1 - TEACHES).double().mean())


def negatives(cosines: Tensor, tau: float) -> float:
    """How many wrong captions share the pushing, by the entropy of their shares, as a part of all."""
    wrong = (cosines / tau).masked_fill(torch.eye(len(cosines), dtype=torch.bool), float("-inf")).softmax(dim=1)
    entropy = -(wrong * wrong.clamp(min=1e-30).log()).sum(dim=1)
    return float(entropy.exp().mean() / (len(cosines) - 1))


def verdict(state: State, value: float, awake: float, pushing: float) -> str:
    counted = f"{100 * awake:.0f} % of the pictures still learn, each from about {pushing * (state.pairs - 1):.1f}"
    counted += f" of its {state.pairs - 1} wrong captions."
    if value > 0.9 * math.log(state.pairs) and pushing > 0.5:
        return f"Too warm: every caption looks alike to the softmax, and the loss is close to guessing. {counted}"
    if awake < 0.6:
        return f"Cold: the easy pairs are finished and silent, and the few wrong ones shout. {counted}"
    return counted
