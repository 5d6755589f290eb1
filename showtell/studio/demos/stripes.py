"""1.2 The stripes that are not there: sampling too coarsely invents waves."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from showtell.images.colour import luminance
from showtell.images.resize import resize_by_matrix
from showtell.images.spectrum import folded, log_magnitude, spectrum, strongest
from showtell.studio.series.bounds import one_of, stepped, switch
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import grey, sequential
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools

SIDE = 192
SUBJECTS = {"waves": "a wave"} | PHOTOS


@dataclass(frozen=True)
class State:
    subject: str = one_of("waves", SUBJECTS, label="Picture")
    cycles: int = stepped(70, low=4, high=94, step=1, label="Cycles across the wave")
    size: int = one_of(64, {n: f"{n} px" for n in ("96", "64", "48", "32", "24")}, label="New side", typed=int)
    antialias: bool = switch(False, label="Filter first")


class Stripes(Demo[State]):
    name = "stripes"
    number = "1.2"
    title = "The stripes that are not there"
    lede = (
        "Shrink the picture without a filter and drag the number of cycles past half of the new side. Coarse stripes "
        "appear where there were only fine ones; then switch the filter on."
    )
    claim = "Without a filter a wave of f cycles, sampled at n points, comes back as |f − n·round(f/n)| cycles."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        image = subject(state, tools)
        small = shrink(image, state.size, state.antialias)
        kept = float(small.std() / image.std().clamp(min=1e-9))
        found, nyquist = strongest(small), state.size / 2
        wave = state.subject == "waves"
        return Scene(
            widgets=(
                Raster(title=f"The picture, {SIDE} px", rgb=grey(image), smooth=True, size="q"),
                Raster(
                    title=f"One pixel of every {SIDE // state.size}, {state.size} px",
                    rgb=grey(small.clamp(0, 1)),
                    size="q",
                ),
                Raster(
                    title="Its waves",
                    rgb=framed(log_magnitude(spectrum(image)), state.size),
                    note="middle = frequency 0; framed: what the new side can carry",
                    size="q",
                ),
                Raster(title="Waves of the small picture", rgb=sequential(log_magnitude(spectrum(small))), size="q"),
                Bars(
                    title="Contrast that is left",
                    names=("of the picture", "of the small picture"),
                    values=(1.0, kept),
                    texts=("100 %", f"{100 * kept:.0f} %"),
                    top=max(1.0, kept),
                    mark=1.0,
                    concepts=("plain", "image" if state.antialias else "warn"),
                ),
            ),
            says=said(state, found, nyquist, kept) if wave else said_of_photo(state, nyquist),
            facts=(
                ("the limit, n / 2", f"{nyquist:g} cycles"),
                *(
                    (("the wave", f"{state.cycles} cycles"), ("folds to", f"{folded(state.cycles, state.size):g}"))
                    if wave
                    else ()
                ),
                ("strongest wave measured", f"{found:.3g} cycles"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for size in (96, 64, 48, 32):
            for cycles in (size // 2 + 7, size - 5, size + 9):
                if cycles > SIDE // 2 - 2:
                    continue
                image = wave(cycles)
                bare = shrink(image, size, False)
                assert abs(strongest(bare) - folded(cycles, size)) < 0.5, (size, cycles, strongest(bare))
                assert bare.std() > 0.5 * image.std(), "the invented wave is strong"
                filtered = shrink(image, size, True)
                if cycles > 0.75 * size:
                    assert filtered.std() < 0.05 * image.std(), "the filter leaves nothing to fold"


def wave(cycles: float) -> Tensor:
    """Stripes of `cycles` periods across, (SIDE, SIDE), 0..1."""
    x = (torch.arange(SIDE, dtype=torch.float64) + 0.5) / SIDE
    return (0.5 + 0.5 * torch.sin(2 * math.pi * cycles * x)).float().expand(SIDE, -1).contiguous()


def shrink(image: Tensor, size: int, antialias: bool) -> Tensor:
    """Every n-th pixel, or the Lanczos filter and then every n-th pixel."""
    return resize_by_matrix(image, size, size, "lanczos" if antialias else "nearest")


def subject(state: State, tools: Tools) -> Tensor:
    return wave(state.cycles) if state.subject == "waves" else luminance(tools.photo(state.subject, SIDE))


def framed(shown: Tensor, size: int) -> np.ndarray:
    """The spectrum with the square that `size` samples can carry outlined."""
    rgb = sequential(shown)
    low, high = (SIDE - size) // 2, (SIDE + size) // 2 - 1
    for line in (low, high):
        rgb[line, low : high + 1] = 255
        rgb[low : high + 1, line] = 255
    return rgb


def said(state: State, found: float, nyquist: float, kept: float) -> str:
    if state.cycles <= nyquist:
        return f"{state.cycles} cycles fit into {state.size} pixels; the wave survives as it is."
    if state.antialias:
        return f"{state.cycles} cycles do not fit. The filter removed them: {100 * kept:.0f} % of the contrast is left."
    return (
        f"{state.cycles} cycles do not fit into {state.size} pixels, and yet a wave of {found:.0f} is plainly there. "
        "No later step can know that it is false."
    )


def said_of_photo(state: State, nyquist: float) -> str:
    how = "removed first" if state.antialias else "folded back into the picture, where it looks like detail"
    return f"What this photograph holds beyond {nyquist:g} cycles is {how}."
