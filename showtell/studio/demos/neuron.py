"""1.4 X-ray of one neuron: which pixels can matter to a unit, and which do."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from showtell.core.trace import trace
from showtell.images.receptive_field import (
    ConvLayer,
    effective_field,
    equal_stack,
    extent,
    random_stack,
    spread,
    theoretical_field,
)
from showtell.studio.series.bounds import one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools

SIDE, DEEPEST, SEEDS, WIDTH = 96, 10, 3, 4
NETWORKS = {"equal": "equal weights", "random": "random weights, ReLU", "tower": "the loaded tower"}


@dataclass(frozen=True)
class State:
    network: str = one_of("equal", NETWORKS, label="Network")
    depth: int = stepped(10, low=1, high=DEEPEST, step=1, label="Layers (blocks of the tower)")
    kernel: int = one_of(5, {"3": "3 × 3", "5": "5 × 5"}, label="Kernel", typed=int)
    dilation: int = one_of(1, {"1": "1", "2": "2"}, label="Dilation", typed=int)


class Neuron(Demo[State]):
    name = "neuron"
    number = "1.4"
    title = "X-ray of one neuron"
    lede = (
        "Every pixel is as bright as its influence on the unit in the middle. Add layers and compare the square that "
        "theory allows with what lights up; then look through the tower."
    )
    claim = (
        "In a stack of convolutions influence fills exactly the square r = 1 + L (k − 1) d; with equal weights its "
        "spread is d √(L (k² − 1) / 12)."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        tower = state.network == "tower"
        depth = min(state.depth, len(tools.tower.blocks)) if tower else state.depth
        field = field_of(state.network, depth, state, tools)
        theory = SIDE if tower else theoretical_field(layers(depth, state))
        line = field.sum(dim=0) / field.sum()
        curves = tools.remember(("spreads", state.network, state.kernel, state.dilation), lambda: spreads(state, tools))
        return Scene(
            widgets=(
                Raster(
                    title="Influence of each pixel on the unit in the middle",
                    rgb=boxed(field, theory),
                    note="brightness is the root of the influence" + ("" if tower else "; framed: what theory allows"),
                ),
                Lines(
                    title="Influence along a line through it",
                    xs=list(range(len(line))),
                    lines=[
                        Line(name="measured", ys=line.tolist(), concept="image"),
                        Line(name="a Gaussian as wide", ys=gaussian(field).tolist(), concept="plain", dashed=True),
                    ],
                    x_name="pixel",
                    y_name="share",
                    at=SIDE // 2,
                    low=0.0,
                ),
                Lines(
                    title="Spread of the influence with depth",
                    xs=list(range(1, len(curves) + 1)),
                    lines=[
                        Line(name="measured", ys=curves, concept="image"),
                        Line(
                            name="root of depth",
                            ys=[curves[0] * (n + 1) ** 0.5 for n in range(len(curves))],
                            dashed=True,
                        ),
                    ],
                    x_name="layers",
                    y_name="pixels",
                    at=depth,
                    low=0.0,
                ),
            ),
            says=verdict(tower, theory, field),
            facts=(
                ("theory", f"{theory} × {theory} px"),
                ("spread", f"{spread(field):.2f} px"),
                ("not zero", f"{extent(field)} × {extent(field)} px"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for depth, kernel, dilation in ((1, 3, 1), (4, 5, 1), (5, 3, 2), (10, 3, 1), (10, 5, 2)):
            state = State(depth=depth, kernel=kernel, dilation=dilation)
            for network in ("equal", "random"):
                assert extent(field_of(network, depth, state, tools)) == theoretical_field(layers(depth, state))
            exact = dilation * math.sqrt(depth * (kernel**2 - 1) / 12)
            assert abs(spread(field_of("equal", depth, state, tools)) - exact) < 1e-4 * exact


def layers(depth: int, state: State) -> list[ConvLayer]:
    return [ConvLayer(kernel=state.kernel, dilation=state.dilation)] * depth


def field_of(network: str, depth: int, state: State, tools: Tools) -> Tensor:
    """Influence of each pixel on the middle unit, (SIDE, SIDE)."""
    if network == "tower":
        return effective_field(middle_token(depth, tools), tools.seen("cat"))
    noise = torch.randn(1, SIDE + 1, SIDE + 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if network == "equal":
        stacks = [equal_stack(layers(depth, state))]
    else:
        stacks = [random_stack(layers(depth, state), WIDTH, seed) for seed in range(SEEDS)]
    fields = [effective_field(middle_unit(stack.double()), noise) for stack in stacks]
    return torch.stack(fields).mean(dim=0)


def middle_unit(stack: torch.nn.Sequential) -> Callable[[Tensor], Tensor]:
    return lambda pixels: stack(pixels)[:, :, SIDE // 2, SIDE // 2]


def middle_token(depth: int, tools: Tools) -> Callable[[Tensor], Tensor]:
    """Half the squared length of the middle patch's token after `depth` blocks."""

    def measure(pixels: Tensor) -> Tensor:
        with trace(tools.tower, f"blocks.{depth - 1}.residual") as seen:
            rows, cols = tools.tower(pixels).grid
        tokens = next(iter(seen.values()))[0]  # (prefix + patches, dim)
        middle = len(tokens) - rows * cols + (rows // 2) * cols + cols // 2
        return tokens[middle].square().sum() / 2

    return measure


def spreads(state: State, tools: Tools) -> list[float]:
    """Spread of the influence at each depth."""
    deepest = min(DEEPEST, len(tools.tower.blocks)) if state.network == "tower" else DEEPEST
    return [spread(field_of(state.network, depth, state, tools)) for depth in range(1, deepest + 1)]


def gaussian(field: Tensor) -> Tensor:
    """Shares along a line of a Gaussian with the field's middle and spread."""
    places = torch.arange(field.shape[1], dtype=torch.float64)
    line = field.double().sum(dim=0) / field.double().sum()
    bell = torch.exp(-((places - (line * places).sum()) ** 2) / (2 * spread(field) ** 2))
    return bell / bell.sum()


def boxed(field: Tensor, theory: int) -> np.ndarray:
    """The influence with the square that theory allows outlined."""
    rgb = sequential((field / field.max()).sqrt())
    if theory < SIDE:
        low, high = SIDE // 2 - theory // 2, SIDE // 2 + theory // 2
        for edge in (low, high):
            rgb[edge, low : high + 1] = 255
            rgb[low : high + 1, edge] = 255
    return rgb


def verdict(tower: bool, theory: int, field: Tensor) -> str:
    width = 2 * spread(field)
    if tower:
        return (
            f"One block, and the whole picture can matter to every token. How evenly it does is another matter: two "
            f"spreads of its influence are {width:.0f} of {SIDE} pixels."
        )
    return (
        f"{theory} × {theory} pixels can matter, but two spreads of the influence are {width:.1f} pixels wide: "
        f"{100 * width / theory:.0f} % of the side that theory allows."
    )
