"""3.1 InfoNCE gym: pictures and captions as points on a circle, pulled and pushed by the real loss and its gradient."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from showtell.contrastive.losses import info_nce
from showtell.contrastive.space import alignment, uniformity
from showtell.studio.series.bounds import bounded, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.list_bounds import Angles, ticks
from showtell.studio.series.palette import sequential
from showtell.studio.series.points import Arrow, Points
from showtell.studio.series.scene import Bars, Concept, Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools

PAIRS, STEPS, STRIDE, RATE, MOMENTUM = 6, 60, 2, 0.2, 0.8
START = (104, 160, 30, 215, 62, 330, 45, 350, 190, 84, 140, 10)  # six pictures, then their six captions
TAUS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class State:
    tau: float = ticks(0.1, TAUS, label="Temperature τ")
    steps: int = stepped(0, low=0, high=STEPS, step=STRIDE, label="Optimiser steps", runs=True)
    cell: int = bounded(0, Cell(label="Picture and caption", count=PAIRS**2))
    angles: tuple[int, ...] = bounded(START, Angles(label="Where the points start", count=2 * PAIRS))


class Gym(Demo[State]):
    name = "gym"
    number = "3.1"
    title = "InfoNCE gym"
    lede = (
        "Six pictures (letters) and their captions (numbers: 1 belongs to A) live on a circle. Drag a ringed starting "
        "place, run the optimiser, and change the temperature: the arrows are the real gradient."
    )
    claim = "Autograd’s gradient is the closed form: each negative pushes with its share of the softmax, over 2τ."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        start = on_circle(state.angles)
        path, losses = tools.remember(("gym", state.angles, state.tau), lambda: run(start, state.tau))
        now = path[state.steps // STRIDE]
        images, texts = now.split(PAIRS)
        value, push = loss_and_push(now, state.tau)
        weights = (images @ texts.T / state.tau).softmax(dim=1)
        anchor = state.cell // PAIRS
        names = [f"caption {j + 1}" for j in range(PAIRS)]
        spread = uniformity(now)
        return Scene(
            widgets=(
                circle(start, now, push, state),
                Raster(
                    title="What the softmax believes",
                    rgb=sequential(weights, top=1.0),
                    grid=(PAIRS, PAIRS),
                    values=weights.flatten().tolist(),
                    labels=[f"{chr(65 + i)} with {j + 1}" for i in range(PAIRS) for j in range(PAIRS)],
                    field="cell",
                    selected=state.cell,
                    note="rows: pictures A to F; columns: captions 1 to 6; bright = believed",
                    size="q",
                ),
                Bars(
                    title=f"How hard each caption moves picture {chr(65 + anchor)}",
                    names=names,
                    values=moves(weights, anchor),
                    texts=[
                        f"{'pulls' if j == anchor else 'pushes'} {move:.3f}"
                        for j, move in enumerate(moves(weights, anchor))
                    ],
                    top=1.0,
                    concepts=[concept_of(j, anchor) for j in range(PAIRS)],
                ),
                Lines(
                    title="Loss of the whole run",
                    xs=list(range(0, STEPS + 1, STRIDE)),
                    lines=[Line(name="InfoNCE", ys=losses, concept="query")],
                    x_name="optimiser steps",
                    y_name="per pair",
                    at=state.steps,
                    low=0.0,
                    size="w",
                ),
            ),
            says=verdict(state, weights, value),
            facts=(
                ("loss per pair", f"{value:.3f}"),
                ("guessing would cost", f"log {PAIRS} = {math.log(PAIRS):.3f}"),
                ("alignment", f"{alignment(images, texts):.3f}"),
                ("uniformity", f"{spread:.2f}"),
                ("right at first place", f"{int((weights.argmax(1) == torch.arange(PAIRS)).sum())} of {PAIRS}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for seed in range(5):
            generator = torch.Generator().manual_seed(seed)
            images, texts = (F.normalize(torch.randn(7, 5, generator=generator), dim=1).double() for _ in "12")
            for tau in (0.05, 0.3, 1.0):
                scale = torch.tensor(1 / tau, dtype=torch.float64)
                leaves = images.clone().requires_grad_(), texts.clone().requires_grad_()
                with torch.enable_grad():
                    info_nce(*leaves, scale).backward()
                for leaf, closed in zip(leaves, closed_form(images, texts, tau), strict=True):
                    assert leaf.grad is not None
                    assert torch.allclose(leaf.grad, closed, atol=1e-9)
        _, losses = run(on_circle(START), State().tau)
        assert losses[-1] < losses[0] / 10, "the optimiser gets the pairs together"


def on_circle(angles: tuple[int, ...]) -> Tensor:
    """(points, 2) of length one."""
    radians = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def run(start: Tensor, tau: float) -> tuple[list[Tensor], list[float]]:
    """Gradient descent with momentum: where the points are, and the loss, after 0, STRIDE, 2 STRIDE, ... steps.

    The gradient carries a factor 1/tau, so the rate carries tau: all temperatures move at about the same speed.
    """
    points, velocity = start.clone(), torch.zeros_like(start)
    path, losses = [], []
    for step in range(STEPS + 1):
        loss, downhill = loss_and_push(points, tau)
        if step % STRIDE == 0:
            path.append(points)
            losses.append(loss)
        velocity = MOMENTUM * velocity + downhill
        points = F.normalize(points + RATE * tau * velocity, dim=1)
    return path, losses


def loss_and_push(points: Tensor, tau: float) -> tuple[float, Tensor]:
    """The loss per pair, and the way downhill of each point; the first half are pictures, the others their captions."""
    leaf = points.clone().requires_grad_()
    with torch.enable_grad():
        images, texts = F.normalize(leaf, dim=1).split(PAIRS)
        loss = info_nce(images, texts, torch.tensor(1 / tau, dtype=leaf.dtype)) / PAIRS
        loss.backward()
    assert leaf.grad is not None
    return float(loss.detach()), -leaf.grad


def closed_form(images: Tensor, texts: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """Gradient of the summed InfoNCE: (P - I) from the rows and (Q - I) from the columns, over 2 tau."""
    scores = images @ texts.T / tau
    pull = scores.softmax(dim=1) + scores.softmax(dim=0) - 2 * torch.eye(len(images), dtype=images.dtype)
    return pull @ texts / (2 * tau), pull.T @ images / (2 * tau)


def moves(weights: Tensor, anchor: int) -> list[float]:
    """What captions do to a picture: the right one pulls with what it lacks, the others push with what they have."""
    row = weights[anchor].clone()
    row[anchor] = 1 - row[anchor]
    return row.tolist()


def concept_of(j: int, anchor: int) -> Concept:
    return "image" if j == anchor else "warn"


def circle(start: Tensor, now: Tensor, push: Tensor, state: State) -> Points:
    """Ringed starting places, on which the reader pulls, and filled points: where the steps have brought them."""
    letters = [chr(65 + i) for i in range(PAIRS)] + [str(i + 1) for i in range(PAIRS)]
    concepts: list[Concept] = ["image" if i < PAIRS else "text" for i in range(2 * PAIRS)]
    kinds = ["picture"] * PAIRS + ["caption"] * PAIRS
    places = [*(1.17 * start).tolist(), *now.tolist()]
    longest = float(push.norm(dim=1).max())
    arrows = [
        Arrow(
            start=2 * PAIRS + i, dx=0.5 * dx / max(longest, 0.4), dy=0.5 * dy / max(longest, 0.4), concept=concepts[i]
        )
        for i, (dx, dy) in enumerate(push.tolist())
    ]
    return Points(
        title=f"After {state.steps} steps",
        places=places,
        names=[f"{kind} {mark}, start" for kind, mark in zip(kinds, letters, strict=True)]
        + [f"{kind} {mark}" for kind, mark in zip(kinds, letters, strict=True)],
        concepts=concepts * 2,
        marks=letters + [""] * 2 * PAIRS,
        hollow=list(range(2 * PAIRS)),
        links=[(2 * PAIRS + i, 3 * PAIRS + i) for i in range(PAIRS)],
        arrows=arrows,
        circle=True,
        reach=1.36,
        field="angles",
        gesture="turn",
        movable=list(range(2 * PAIRS)),
        note="rings outside: where each starts (drag them); dots: where it is now; lines join pairs",
        size="t",
    )


def verdict(state: State, weights: Tensor, value: float) -> str:
    anchor = state.cell // PAIRS
    row = weights[anchor].clone()
    row[anchor] = 0
    hardest = int(row.argmax())
    share = 100 * float(row[hardest] / row.sum().clamp(min=1e-12))
    letter = chr(65 + anchor)
    if float(row.sum()) < 0.005:
        return f"Picture {letter} has found its caption: its negatives push with {float(row.sum()):.1g} together."
    return (
        f"Of all that pushes picture {letter} away, {share:.0f} % comes from caption {hardest + 1} alone. "
        + ("A cold softmax listens to the nearest wrong caption only." if share > 90 else "")
        + ("At this temperature all wrong captions push nearly alike." if share < 35 else "")
    ).strip()
