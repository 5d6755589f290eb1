"""2.4 Attention is not attribution: remove patches by hand, and play against three maps that claim to know which."""

from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.images.normalize import denormalize, to_uint8
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cells
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Concept, Line, Lines, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools
from showtell.vision.attribution import attention_received, gradient_times_input, moved, occluded, occlusion

MOST, MOST_PATCHES = 8, 32 * 32
MAPS = {"attention": "attention received", "gradient": "gradient × input", "occlusion": "occlusion"}
COLOURS: dict[str, Concept] = {"attention": "query", "gradient": "key", "occlusion": "image"}


@dataclass(frozen=True)
class State:
    photo: str = one_of("cat", PHOTOS, label="Picture")
    removed: tuple[int, ...] = bounded((27, 28, 35), Cells(label="Removed patches", count=MOST_PATCHES, most=MOST))


class Attribution(Demo[State]):
    name = "attribution"
    number = "2.4"
    title = "Attention is not attribution"
    lede = (
        "Remove patches from the picture, by a click or with Enter, and try to move the tower’s output as far as you "
        "can with few. Three maps play against you with their own favourites."
    )
    claim = "No map names a single patch whose removal moves the output more than the one that occlusion names."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        tower, pixels = tools.tower, tools.seen(state.photo)
        maps = tools.remember(("maps", state.photo), lambda: all_maps(state.photo, tools))
        curves = tools.remember(("deletions", state.photo), lambda: deletions(state.photo, tools))
        rows, cols = (side // tower.config.patch_size for side in pixels.shape[1:])
        removed = [cell for cell in state.removed if cell < rows * cols]
        yours = float(moved(tower, pixels, [removed])[0]) if removed else 0.0
        config = tools.assistant.processor.config
        shown = denormalize(occluded(pixels, removed, tower.config.patch_size), config.mean, config.std)
        return Scene(
            widgets=(
                Raster(
                    title="Remove patches",
                    rgb=to_uint8(shown.clamp(0, 1)),
                    grid=(rows, cols),
                    labels=["removed" if cell in removed else "" for cell in range(rows * cols)],
                    field="removed",
                    gesture="toggle",
                    size="q",
                    smooth=True,
                ),
                *(
                    Raster(
                        title=MAPS[name][0].upper() + MAPS[name][1:],
                        rgb=sequential(values.unflatten(0, (rows, cols))),
                        grid=(rows, cols),
                        values=values.tolist(),
                        size="q",
                    )
                    for name, values in maps.items()
                ),
                Bars(
                    title=f"Output moved, {len(removed)} removed (1 − cosine)",
                    names=("your choice", *MAPS.values()),
                    values=(yours, *(curves[name][len(removed)] for name in MAPS)),
                    concepts=("text", *(COLOURS[name] for name in MAPS)),
                ),
                Lines(
                    title="Output moved by each map’s favourites",
                    xs=list(range(MOST + 1)),
                    lines=[Line(name=MAPS[name], ys=curves[name], concept=COLOURS[name]) for name in MAPS],
                    x_name="patches removed",
                    y_name="1 − cosine",
                    at=len(removed),
                    low=0.0,
                ),
            ),
            says=verdict(len(removed), yours, {name: curves[name][len(removed)] for name in MAPS}),
            facts=(
                ("attention agrees with occlusion", f"{rank_agreement(maps['attention'], maps['occlusion']):+.2f}"),
                ("gradient agrees with occlusion", f"{rank_agreement(maps['gradient'], maps['occlusion']):+.2f}"),
                ("interventions", f"{rows * cols} single, {3 * MOST} joint"),
                ("model", tools.model_name),
            ),
        )

    def check(self, tools: Tools) -> None:
        for photo in ("cat", "rocket"):
            maps, pixels = all_maps(photo, tools), tools.seen(photo)
            favourites = [[int(values.argmax())] for values in maps.values()]
            first = dict(zip(maps, moved(tools.tower, pixels, favourites).tolist(), strict=True))
            assert max(first.values()) <= first["occlusion"] + 1e-6
            assert float(maps["attention"].sum()) <= 1 + 1e-4
            assert float(moved(tools.tower, pixels, [[]])[0]) < 1e-6, "nothing removed, nothing moved"


def all_maps(photo: str, tools: Tools) -> dict[str, Tensor]:
    tower, pixels = tools.tower, tools.seen(photo)
    return {
        "attention": attention_received(tower, pixels),
        "gradient": gradient_times_input(tower, pixels),
        "occlusion": occlusion(tower, pixels),
    }


def deletions(photo: str, tools: Tools) -> dict[str, list[float]]:
    """For each map, how far the output moves when its 0, 1, 2, ... favourite patches are removed together."""
    curves = {}
    for name, values in tools.remember(("maps", photo), lambda: all_maps(photo, tools)).items():
        order = values.argsort(descending=True).tolist()
        together = moved(tools.tower, tools.seen(photo), [order[:count] for count in range(1, MOST + 1)])
        curves[name] = [0.0, *together.tolist()]
    return curves


def rank_agreement(one: Tensor, other: Tensor) -> float:
    """Spearman's correlation."""
    ranks = torch.stack([values.argsort().argsort().double() for values in (one, other)])
    return float(torch.corrcoef(ranks)[0, 1])


def verdict(count: int, yours: float, theirs: dict[str, float]) -> str:
    if count == 0:
        return "Nothing is removed yet; the maps wait for your first choice."
    best = max(theirs, key=lambda name: theirs[name])
    if yours > theirs[best]:
        return f"With {count} removed you moved the output by {yours:.3f}, more than any map: {theirs[best]:.3f}."
    return (
        f"With {count} removed you moved the output by {yours:.3f}. The favourites of attention move it by "
        f"{theirs['attention']:.3f}, the best map’s, {MAPS[best]}, by {theirs[best]:.3f}."
    )
