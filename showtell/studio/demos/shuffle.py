"""2.2 Shuffle me: without positions a transformer cannot tell in which order it was given the patches."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.images.normalize import to_uint8
from showtell.images.patchify import patchify, unpatchify
from showtell.studio.series.bounds import bounded, one_of, switch
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Order
from showtell.studio.series.palette import diverging
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools, Unavailable
from showtell.vision.vit import VisionTransformer, ViTConfig

SIDE, TILE = 96, 24
TILES = (SIDE // TILE) ** 2
START = (5, 1, 2, 11, 4, 0, 14, 7, 8, 9, 10, 3, 12, 13, 6, 15)
TOWERS = {"linear": "linear patches, untrained", "loaded": "the loaded model’s tower"}


@dataclass(frozen=True)
class State:
    photo: str = one_of("cat", PHOTOS, label="Picture")
    tower: str = one_of("linear", TOWERS, label="Transformer")
    positions: bool = switch(False, label="Positions")
    order: tuple[int, ...] = bounded(START, Order(label="Order of the tiles", count=TILES))


class Shuffle(Demo[State]):
    name = "shuffle"
    number = "2.2"
    title = "Shuffle me"
    lede = (
        "Swap tiles: drag one onto another, or choose two with Enter. Then give the transformer its positions, and "
        "swap again. Try to break the zero."
    )
    claim = "Without positions, the pooled output of linear patches and transformer blocks is the same for any order."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        image = tools.photo(state.photo, SIDE)
        shuffled = shuffle(image, state.order)
        tower = prepared(state.tower, state.positions, tools)
        with torch.inference_mode():
            straight, mixed = tower(torch.stack([image, shuffled]).double() * 2 - 1).pooled
        difference = (straight - mixed).abs()
        relative = float((straight - mixed).norm() / straight.norm())
        moved = sum(place != tile for place, tile in enumerate(state.order))
        return Scene(
            widgets=(
                Raster(
                    title="What the transformer is given",
                    rgb=to_uint8(shuffled),
                    grid=(SIDE // TILE,) * 2,
                    labels=[f"tile {tile + 1}" for tile in state.order],
                    field="order",
                    gesture="swap",
                    smooth=True,
                ),
                Raster(
                    title="Difference of each of its outputs",
                    rgb=diverging(strip(straight - mixed), top=float(straight.abs().max())),
                    note="one square an output channel; the scale is the largest output of the straight picture",
                    alt=f"map of {len(difference)} differences, the largest {float(difference.max()):.2g}",
                ),
                Bars(
                    title="How much the output moved",
                    names=("moved", "the output itself"),
                    values=(relative, 1.0),
                    texts=(f"{100 * relative:.3g} %", "100 %"),
                    top=max(1.0, relative),
                    concepts=("query", "plain"),
                ),
            ),
            says=verdict(state, moved, float(difference.max())),
            facts=(
                ("tiles moved", f"{moved} of {TILES}"),
                ("largest difference", f"{float(difference.max()):.2g}"),
                ("outputs", f"{len(difference)}, in double precision"),
            ),
        )

    def check(self, tools: Tools) -> None:
        image = tools.photo("coffee", SIDE)
        orders = [tuple(torch.randperm(TILES, generator=torch.Generator().manual_seed(s)).tolist()) for s in range(4)]
        batch = torch.stack([image, *(shuffle(image, order) for order in orders)]).double() * 2 - 1
        with torch.inference_mode():
            blind = prepared("linear", False, tools)(batch).pooled
            placed = prepared("linear", True, tools)(batch).pooled
            assert float((blind - blind[0]).abs().max()) < 1e-12, "without positions the order is not to be known"
            assert float((placed - placed[0]).abs().max()) > 1e-4, "with positions it is"
            if isinstance(getattr(tools.tower, "positions", None), Tensor):  # the blocks of the loaded tower as well
                tower = prepared("loaded", False, tools)
                tokens = tower.patches(batch[:1]).flatten(2).transpose(1, 2)  # (1, tokens, dim)
                mixed = tokens[:, torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(0))]
                difference = after_blocks(tower, tokens) - after_blocks(tower, mixed)
                assert float(difference.abs().max()) < 1e-9, "after the stem, nothing knows the order of tokens"


def shuffle(image: Tensor, order: tuple[int, ...]) -> Tensor:
    """The picture with tile `order[i]` at place i."""
    return unpatchify(patchify(image, TILE)[list(order)], TILE, SIDE // TILE)


def prepared(which: str, positions: bool, tools: Tools) -> VisionTransformer:
    """A tower in double precision, with its positions or with zeros in their place."""

    def make() -> VisionTransformer:
        tower = copy.deepcopy(tools.tower if which == "loaded" else untrained())
        if tower.positions is None or tower.config.image_size != (SIDE, SIDE):
            raise Unavailable("The loaded tower adds no positions to pictures of this size; choose linear patches.")
        if not positions:
            tower.positions.zero_()
        return tower.double().eval()

    return tools.remember(("shuffle", which, positions), make)


def untrained() -> VisionTransformer:
    config = ViTConfig(image_size=(SIDE, SIDE), patch_size=12, dim=96, depth=4, heads=3, mlp_dim=384)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VisionTransformer(config)


def after_blocks(tower: VisionTransformer, tokens: Tensor) -> Tensor:
    """Mean of the tokens after the blocks and the last norm."""
    for block in tower.blocks:
        tokens = block(tokens)
    return tower.norm(tokens).mean(dim=1)


def strip(values: Tensor) -> Tensor:
    """A vector as a nearly square map, padded with zeros."""
    cols = next(c for c in range(int(len(values) ** 0.5), 0, -1) if len(values) % c == 0)
    return values.reshape(cols, -1)


def verdict(state: State, moved: int, largest: float) -> str:
    if moved == 0:
        return "The tiles lie in their places; move some."
    if state.positions:
        return f"{moved} tiles moved and the output follows: positions are where the transformer's sense of space is."
    if largest < 1e-9:
        return f"{moved} tiles moved, and the output is the same to {largest:.0e}: rounding, nothing else."
    return (
        "No positions, and yet the output moved: the stem of this tower is a stack of overlapping convolutions, which "
        "look across the borders of tiles. After the stem the blocks know no order either; the check holds them to it."
    )
