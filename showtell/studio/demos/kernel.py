"""1.3 Kernel bench: type a kernel, move the picture, and see whether the response moves with it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from showtell.images.colour import luminance
from showtell.images.convolve import convolve, likeness, separable_terms, shift
from showtell.studio.series.bounds import bounded, one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Numbers
from showtell.studio.series.palette import diverging, grey
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools

SIDE, MARGIN = 96, 14
PRESETS = {
    "vertical edges": (-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0),
    "horizontal edges": (-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0),
    "outline": (0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0),
    "blur": (1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0),
    "identity": (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
}


@dataclass(frozen=True)
class State:
    photo: str = one_of("cameraman", PHOTOS, label="Picture")
    kernel: tuple[float, ...] = bounded(
        PRESETS["vertical edges"], Numbers(label="Kernel", side=3, low=-9, high=9, presets=PRESETS)
    )
    dx: int = stepped(5, low=-12, high=12, step=1, label="Move right", unit="px")
    dy: int = stepped(-4, low=-12, high=12, step=1, label="Move down", unit="px")


class Kernel(Demo[State]):
    name = "kernel"
    number = "1.3"
    title = "Kernel bench"
    lede = (
        "Type nine numbers, or take some. Move the picture and watch the response follow it. The loaded tower learned "
        "kernels of its own: the one most like yours is shown."
    )
    claim = "Away from the border, convolving the moved picture gives the moved response, to rounding."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        image = luminance(tools.photo(state.photo, SIDE)).double()
        kernel = torch.tensor(state.kernel, dtype=torch.float64).unflatten(0, (3, 3))
        moved = shift(image, state.dx, state.dy)
        response = convolve(moved, kernel)
        error = off_border(response - shift(convolve(image, kernel), state.dx, state.dy))
        strengths, _ = separable_terms(kernel)
        rank = int((strengths > 1e-9 * strengths[0].clamp(min=1e-300)).sum()) if strengths[0] > 0 else 0
        learned = closest(kernel, tools)
        return Scene(
            widgets=(
                Raster(title="The picture, moved", rgb=grey(moved), smooth=True),
                Raster(title="Response: orange positive, blue negative", rgb=diverging(response), smooth=True),
                Raster(
                    title="The kernel",
                    rgb=diverging(kernel),
                    grid=(3, 3),
                    values=list(state.kernel),
                    size="s",
                ),
                *(
                    ()
                    if learned is None
                    else (
                        Raster(
                            title=f"Learned filter {learned[0]}, likeness {learned[2]:.2f}",
                            rgb=diverging(learned[1]),
                            grid=(3, 3),
                            values=learned[1].flatten().tolist(),
                            note=f"first layer of {tools.model_name}, mean over colours",
                            size="s",
                        ),
                    )
                ),
                Bars(
                    title="Strength of its separable parts",
                    names=("first: a column times a row", "second", "third"),
                    values=[s if s > 1e-9 * strengths[0] else 0.0 for s in strengths.tolist()],
                    concepts=("image", "key", "query"),
                ),
            ),
            says=(
                f"Moved by {state.dx}, {state.dy}: away from the border the response differs from the moved response "
                f"by {f'{error:.1e}' if error else 'nothing at all'}. This kernel has rank {rank}"
                + (
                    ", so that a column and then a row do its work: 6 products a pixel in place of 9."
                    if rank == 1
                    else "."
                )
            ),
            facts=(
                ("weights", "9, the same at all places"),
                ("sum of the weights", f"{sum(state.kernel):g}"),
                ("rank", str(rank)),
            ),
        )

    def check(self, tools: Tools) -> None:
        generator = torch.Generator().manual_seed(0)
        for photo in ("cat", "coins"):
            image = luminance(tools.photo(photo, SIDE)).double()
            for dx, dy in ((3, 0), (-7, 5), (12, -12)):
                kernel = torch.randn(3, 3, generator=generator, dtype=torch.float64)
                straight = shift(convolve(image, kernel), dx, dy)
                assert off_border(convolve(shift(image, dx, dy), kernel) - straight) < 1e-12
                strengths, terms = separable_terms(kernel)
                assert float(((strengths[:, None, None] * terms).sum(0) - kernel).abs().max()) < 1e-12


def off_border(difference: Tensor) -> float:
    """The largest difference where neither the border nor what was moved in reaches."""
    return float(difference[MARGIN:-MARGIN, MARGIN:-MARGIN].abs().max())


def closest(kernel: Tensor, tools: Tools) -> tuple[int, Tensor, float] | None:
    """(number, filter, likeness) of the loaded tower's first 3 x 3 filter most like the kernel, if it has such."""
    first = next((m for m in tools.tower.patches.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.kernel_size != (3, 3):
        return None
    filters = first.weight.detach().mean(dim=1).double()  # (filters, 3, 3)
    alike = [likeness(kernel, one) for one in filters]
    best = max(range(len(alike)), key=lambda i: abs(alike[i]))
    return best, filters[best], alike[best]
