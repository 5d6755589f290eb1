"""2.3 Attention atlas: every attention map of the loaded tower, for the patch the reader points at."""

from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.core.trace import trace
from showtell.images.normalize import denormalize
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.palette import sequential, spotlight
from showtell.studio.series.scene import Line, Lines, Raster, Scene, Wall
from showtell.studio.series.tools import PHOTOS, Tools
from showtell.vision.attention_maps import attention_distance, attention_entropy

MOST_MAPS, MOST_PATCHES = 12 * 12, 32 * 32


@dataclass(frozen=True)
class State:
    photo: str = one_of("cat", PHOTOS, label="Picture")
    patch: int = bounded(27, Cell(label="Query patch", count=MOST_PATCHES))
    map: int = bounded(0, Cell(label="Layer and head", count=MOST_MAPS))


class Atlas(Demo[State]):
    name = "atlas"
    number = "2.3"
    title = "Attention atlas"
    lede = (
        "Point at a patch of the picture, or walk with the arrow keys: the wall shows where that patch looks in every "
        "layer and head. Choose a map to lay it over the picture."
    )
    claim = "Every row of every map sums to 1, and the tower computes the same output whether it is watched or not."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        maps, grid = tools.remember(("atlas", state.photo), lambda: all_maps(state.photo, tools))
        layers, heads, tokens, _ = maps.shape
        query, chosen = min(state.patch, tokens - 1), min(state.map, layers * heads - 1)
        layer, head = divmod(chosen, heads)
        config = tools.assistant.processor.config
        image = denormalize(tools.seen(state.photo), config.mean, config.std).clamp(0, 1)
        rows = maps[:, :, query].flatten(0, 1).unflatten(-1, grid)  # (layers * heads, rows, cols)
        distance = attention_distance(maps, grid)
        bits = attention_entropy(maps[layer, head])
        return Scene(
            widgets=(
                Raster(
                    title=f"Layer {layer + 1}, head {head + 1}: where the marked patch looks",
                    rgb=spotlight(image, rows[chosen]),
                    grid=grid,
                    values=rows[chosen].flatten().tolist(),
                    field="patch",
                    selected=query,
                    note="bright = much attention; the share of a patch is under the pointer",
                    size="l",
                    smooth=True,
                ),
                Wall(
                    title="All maps of this patch",
                    maps=[sequential(one) for one in rows],
                    cols=heads,
                    names=[f"layer {i // heads + 1}, head {i % heads + 1}" for i in range(layers * heads)],
                    values=distance.flatten().tolist(),
                    value_name="mean distance",
                    field="map",
                    selected=chosen,
                    row_name="layer",
                    col_name="head",
                    size="q",
                ),
                Lines(
                    title="How far each head looks, over all patches",
                    xs=list(range(1, layers + 1)),
                    lines=[
                        Line(name=f"head {h + 1}", ys=distance[:, h].tolist(), concept=("query", "key", "image")[h % 3])
                        for h in range(heads)
                    ],
                    x_name="layer",
                    y_name="patches",
                    at=layer + 1,
                    low=0.0,
                ),
            ),
            says=(
                f"Over all patches, head {head + 1} of layer {layer + 1} looks {float(distance[layer, head]):.1f} "
                f"patches far on average. The nearest-sighted head of this tower looks {float(distance.min()):.1f} "
                f"far, the farthest-sighted {float(distance.max()):.1f}; one that looked everywhere alike would look "
                f"{everywhere(grid):.1f}."
            ),
            facts=(
                ("maps", f"{layers} layers × {heads} heads"),
                ("this row sums to", f"{float(rows[chosen].sum()):.6f}"),
                ("entropy", f"{float(bits):.2f} of {torch.log2(torch.tensor(float(tokens))):.0f} bits"),
                ("model", tools.model_name),
            ),
        )

    def check(self, tools: Tools) -> None:
        for photo in ("cat", "coins"):
            maps, _ = all_maps(photo, tools)
            assert torch.isfinite(maps).all() and (maps >= 0).all()
            assert float((maps.sum(dim=-1) - 1).abs().max()) < 1e-5
            pixels = tools.seen(photo)[None]
            with torch.inference_mode():
                alone = tools.tower(pixels).tokens
                with trace(tools.tower, "blocks.*.attn.weights"):
                    watched = tools.tower(pixels).tokens
            assert float((alone - watched).abs().max()) < 1e-4 * float(alone.abs().max())


def all_maps(photo: str, tools: Tools) -> tuple[Tensor, tuple[int, int]]:
    """(layers, heads, tokens, tokens) between the patches of one picture, and their grid."""
    with torch.inference_mode(), trace(tools.tower, "blocks.*.attn.weights") as seen:
        out = tools.tower(tools.seen(photo)[None])
    maps = torch.stack([weights[0] for weights in seen.values()])  # (layers, heads, tokens, tokens)
    prefix = maps.shape[-1] - out.tokens.shape[1]  # class token and registers, which have no place in the picture
    patches = maps[:, :, prefix:, prefix:]
    return patches / patches.sum(dim=-1, keepdim=True), out.grid


def everywhere(grid: tuple[int, int]) -> float:
    """Mean distance of a head that attends to all patches alike."""
    tokens = grid[0] * grid[1]
    return float(attention_distance(torch.full((1, tokens, tokens), 1 / tokens), grid))
