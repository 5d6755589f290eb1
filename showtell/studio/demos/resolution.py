"""2.5 New resolution, old positions: what to do with learned positions when the picture has another size."""

import copy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from showtell.images.normalize import denormalize, to_uint8
from showtell.images.resize import resize_by_matrix
from showtell.studio.series.bounds import bounded, one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.palette import diverging
from showtell.studio.series.scene import Concept, Line, Lines, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools, Unavailable
from showtell.vision.vit import VisionTransformer

WAYS = {"resample": "resample the grid", "list": "reuse the list", "none": "leave them out"}
WITH_COLOURS: tuple[tuple[str, Concept], ...] = (("resample", "image"), ("list", "warn"))
LEAST, MOST = 4, 12  # cells a side
SIZES = tuple(range(LEAST, MOST + 1, 2))


@dataclass(frozen=True)
class State:
    photo: str = one_of("cat", PHOTOS, label="Picture")
    cells: int = stepped(6, low=LEAST, high=MOST, step=2, label="Patches a side")
    way: str = one_of("list", WAYS, label="Positions")
    patch: int = bounded(14, Cell(label="Patch", count=MOST**2))


class Resolution(Demo[State]):
    name = "resolution"
    number = "2.5"
    title = "New resolution, old positions"
    lede = (
        "The tower learned one vector for each cell of its own grid. Give it another grid. Point at a cell to see "
        "which other cells its position vector is most like."
    )
    claim = "On the grid it was trained on, resampled and reused positions give the same output, bit for bit."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        trained = trained_cells(tools)
        patch = min(state.patch, state.cells**2 - 1)
        alike = likeness_of(positions_for(state.cells, state.way, tools), patch).unflatten(0, (state.cells,) * 2)
        pixels = at_size(state.photo, state.cells, tools)
        config = tools.assistant.processor.config
        curves = tools.remember(("displacement", state.photo), lambda: displacement(state.photo, tools))
        way = curves.get(state.way)  # "none" has no curve
        now = way[SIZES.index(state.cells)] if way else displaced(state.photo, state.cells, state.way, tools)
        return Scene(
            widgets=(
                Raster(
                    title=f"What it is given: {pixels.shape[-1]} × {pixels.shape[-1]} px",
                    rgb=to_uint8(denormalize(pixels, config.mean, config.std).clamp(0, 1)),
                    grid=(state.cells,) * 2,
                    field="patch",
                    selected=patch,
                    labels=[f"patch {i + 1}" for i in range(state.cells**2)],
                    smooth=True,
                ),
                Raster(
                    title="Likeness of its position vector to all others",
                    rgb=diverging(alike, top=1.0),
                    grid=(state.cells,) * 2,
                    values=alike.flatten().tolist(),
                    field="patch",
                    selected=patch,
                    note="orange = alike; near cells should be alike",
                ),
                Lines(
                    title="How far from its place a token finds its like in the trained-size output",
                    xs=SIZES,
                    lines=[Line(name=WAYS[way], ys=curves[way], concept=concept) for way, concept in WITH_COLOURS],
                    x_name="patches a side",
                    y_name="patches off",
                    at=state.cells,
                    low=0.0,
                ),
            ),
            says=(
                f"Trained on {trained} × {trained} patches, shown {state.cells} × {state.cells}. Given positions this "
                f"way, a token finds its like {now:.1f} patches from where it is; with resampled positions "
                f"{curves['resample'][SIZES.index(state.cells)]:.1f}."
            ),
            facts=(
                ("trained grid", f"{trained} × {trained}"),
                ("tokens now", f"{state.cells**2}"),
                ("model", tools.model_name),
            ),
        )

    def check(self, tools: Tools) -> None:
        trained = trained_cells(tools)
        pixels = at_size("cat", trained, tools)[None]
        with torch.inference_mode():
            plain = tools.tower(pixels).pooled
            for way in ("resample", "list"):
                assert torch.equal(plain, with_positions(trained, way, tools)(pixels).pooled), way
            assert not torch.equal(plain, with_positions(trained, "none", tools)(pixels).pooled)


def trained_cells(tools: Tools) -> int:
    tower = tools.tower
    rows, cols = tower.config.grid
    if tower.config.positions != "learned" or rows != cols:
        raise Unavailable("This figure needs a tower with learned positions on a square grid; the loaded one has none.")
    return rows


def positions_for(cells: int, way: str, tools: Tools) -> Tensor:
    """A position vector for each cell of a grid of `cells` x `cells`, found in one of three ways."""
    trained, tower = trained_cells(tools), tools.tower
    first = len(tower.class_token)
    learned = tower.positions.detach()[first:]
    if way == "resample":
        return tower.positions_for((cells, cells)).detach()[first:]
    if way == "list":
        return learned[torch.arange(cells**2) % trained**2]  # as if the list were all there is
    return torch.zeros(cells**2, learned.shape[1])


def with_positions(cells: int, way: str, tools: Tools) -> VisionTransformer:
    """The loaded tower with those positions, for pictures of that size."""
    tower = copy.copy(tools.tower)  # its blocks are shared; only its own parameters are another table
    tower._parameters = dict(tower._parameters)
    first = tower.positions.detach()[: len(tower.class_token)]
    side = cells * tower.config.patch_size
    tower.config = replace(tower.config, image_size=(side, side))
    tower.positions = nn.Parameter(torch.cat([first, positions_for(cells, way, tools)]), requires_grad=False)
    return tower


def at_size(photo: str, cells: int, tools: Tools) -> Tensor:
    """The photograph as the tower sees it, resized to `cells` patches a side."""
    side = cells * tools.tower.config.patch_size
    return resize_by_matrix(tools.seen(photo), side, side, "bicubic").clamp(-1, 1)


def likeness_of(positions: Tensor, patch: int) -> Tensor:
    """Cosine of one position with all, after taking away their mean."""
    centred = F.normalize(positions - positions.mean(dim=0), dim=1, eps=1e-9)
    return centred @ centred[patch]


def displacement(photo: str, tools: Tools) -> dict[str, list[float]]:
    """`displaced` at every size, for the two ways of reusing positions."""
    return {way: [displaced(photo, n, way, tools) for n in SIZES] for way, _ in WITH_COLOURS}


def displaced(photo: str, cells: int, way: str, tools: Tools) -> float:
    """How far, on average, the trained-size token most like an output token lies from it, in trained patches."""
    trained = trained_cells(tools)
    with torch.inference_mode():
        goal = tools.remember(("goal", photo), lambda: tools.tower(at_size(photo, trained, tools)[None]).tokens[0])
        tokens = with_positions(cells, way, tools)(at_size(photo, cells, tools)[None]).tokens[0]  # (cells^2, dim)
        best = (F.normalize(tokens, dim=1) @ F.normalize(goal, dim=1).T).argmax(dim=1)
    return float((centres(cells) - centres(trained)[best]).norm(dim=1).mean() * trained)


def centres(cells: int) -> Tensor:
    """Places of the cells of a grid, in units of the picture's side."""
    line = (torch.arange(cells) + 0.5) / cells
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1).flatten(0, 1)  # (cells^2, 2)
