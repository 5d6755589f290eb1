"""1.1 Light is not a number: averaging what a file stores is not averaging light."""

from dataclasses import dataclass

import torch
from torch import Tensor

from showtell.images.colour import luminance, to_linear, to_stored
from showtell.images.normalize import to_uint8
from showtell.images.resize import resize_by_matrix
from showtell.studio.series.bounds import one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import diverging
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools

SIDE = 192
PAIRS = {
    "red-green": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "blue-yellow": ((0.0, 0.0, 1.0), (1.0, 1.0, 0.0)),
    "black-white": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True)
class State:
    photo: str = one_of("coins", PHOTOS, label="Picture")
    factor: int = one_of(8, {n: f"1 : {n}" for n in ("2", "4", "8", "16", "32")}, label="Shrink", typed=int)
    pair: str = one_of("red-green", {p: p.replace("-", " and ") for p in PAIRS}, label="Two colours")
    blend: int = stepped(50, low=0, high=100, step=5, label="Blend", unit="%")


class Light(Demo[State]):
    name = "light"
    number = "1.1"
    title = "Light is not a number"
    lede = (
        "Shrink a picture by averaging its stored values, and by averaging the light they stand for. Blend two colours "
        "both ways."
    )
    claim = (
        "Averaging light keeps the mean luminance; averaging stored values never gains light and usually loses some."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        image = tools.photo(state.photo, SIDE)
        stored, light = shrink_stored(image, state.factor), shrink_light(image, state.factor)
        before, wrong, right = (float(luminance(to_linear(x)).mean()) for x in (image, stored, light))
        lost = luminance(to_linear(light)) - luminance(to_linear(stored))
        return Scene(
            widgets=(
                Raster(title="Stored values averaged", rgb=to_uint8(stored)),
                Raster(title="Light averaged", rgb=to_uint8(light)),
                Raster(
                    title="Light that went missing",
                    rgb=diverging(lost, top=0.2),
                    grid=(len(lost), len(lost)) if state.factor >= 8 else None,
                    values=lost.flatten().tolist() if state.factor >= 8 else None,
                    note="orange = lost; none of it is blue",
                ),
                Raster(
                    title="From one colour to the other: stored values above, light below",
                    rgb=to_uint8(blends(state)),
                    note="the white tick marks the blend",
                ),
                Bars(
                    title="Mean luminance, 1 = white",
                    names=("the picture", "stored values averaged", "light averaged"),
                    values=(before, wrong, right),
                    texts=[f"{y:.4f}" for y in (before, wrong, right)],
                    concepts=("plain", "warn", "image"),
                ),
            ),
            says=(
                f"One pixel now stands for {state.factor}² = {state.factor**2}. Averaging stored values lost "
                f"{100 * (1 - wrong / before):.1f} % of the light; averaging light lost "
                f"{100 * abs(1 - right / before):.4f} %."
            ),
            facts=(
                ("largest loss in a pixel", f"{float(lost.max()):.3f}"),
                ("half of white, stored", f"{float(to_stored(torch.tensor(0.5))):.3f}"),
                ("stored 0.5 is light", f"{float(to_linear(torch.tensor(0.5))):.3f}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        for photo in PHOTOS:
            image = tools.photo(photo, SIDE)
            before = luminance(to_linear(image)).mean()
            for factor in (2, 8, 32):
                light, stored = to_linear(shrink_light(image, factor)), to_linear(shrink_stored(image, factor))
                assert abs(float(luminance(light).mean() - before)) < 1e-5, "light is conserved"
                assert float((stored - light).max()) < 1e-5, "no pixel gains light"
        half = torch.linspace(0, 1, 1001)
        assert float((to_stored(to_linear(half)) - half).abs().max()) < 1e-6, "the curve has an exact inverse"


def shrink_stored(image: Tensor, factor: int) -> Tensor:
    """The mean of each block of stored values."""
    return resize_by_matrix(image, SIDE // factor, SIDE // factor, "box")


def shrink_light(image: Tensor, factor: int) -> Tensor:
    """The mean of each block of light, stored again."""
    return to_stored(resize_by_matrix(to_linear(image), SIDE // factor, SIDE // factor, "box"))


def blends(state: State) -> Tensor:
    """Both ways from one colour to the other, (3, 40, 101)."""
    one, other = (torch.tensor(colour)[:, None] for colour in PAIRS[state.pair])
    share = torch.linspace(0, 1, 101)
    stored = one * (1 - share) + other * share  # (3, 101)
    light = to_stored(to_linear(one) * (1 - share) + to_linear(other) * share)
    picture = torch.cat([half[:, None].expand(-1, 20, -1) for half in (stored, light)], dim=1).clone()
    picture[:, 18:22, state.blend] = 1.0
    return picture
