"""1.5 Phase thief: exchange magnitudes and phases of two pictures, and see which of them is the picture."""

from dataclasses import dataclass

from torch import Tensor

from showtell.images.colour import luminance
from showtell.images.convolve import likeness
from showtell.images.spectrum import exchange, from_spectrum, spectrum
from showtell.studio.series.bounds import one_of, stepped
from showtell.studio.series.demo import Demo
from showtell.studio.series.palette import grey
from showtell.studio.series.scene import Bars, Raster, Scene
from showtell.studio.series.tools import PHOTOS, Tools

SIDE = 128


@dataclass(frozen=True)
class State:
    ours: str = one_of("cat", PHOTOS, label="Picture A")
    theirs: str = one_of("coins", PHOTOS, label="Picture B")
    magnitude: int = stepped(100, low=0, high=100, step=5, label="Magnitude from B", unit="%")
    phase: int = stepped(0, low=0, high=100, step=5, label="Phase from B", unit="%")


class Phase(Demo[State]):
    name = "phase"
    number = "1.5"
    title = "Phase thief"
    lede = (
        "The mixture starts with all of B’s magnitudes and all of A’s phases. Guess whose picture it will be; then "
        "move the phases over."
    )
    claim = "Any two of these photographs: with A’s phases and B’s magnitudes the result is more like A than like B."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        ours, theirs = (grey_photo(name, tools) for name in (state.ours, state.theirs))
        waves = exchange(spectrum(ours), spectrum(theirs), state.magnitude / 100, state.phase / 100)
        mixed = from_spectrum(waves)
        like = [likeness(mixed, one) for one in (ours, theirs)]
        owner = "A" if like[0] >= like[1] else "B"
        return Scene(
            widgets=(
                Raster(title="A", rgb=grey(ours), size="s", smooth=True),
                Raster(title="B", rgb=grey(theirs), size="s", smooth=True),
                Raster(title="The mixture", rgb=grey(stretched(mixed)), smooth=True),
                Bars(
                    title="Likeness (correlation)",
                    names=("with A", "with B"),
                    values=[max(one, 0.0) for one in like],
                    texts=[f"{one:+.2f}" for one in like],
                    top=1.0,
                    concepts=("query", "key"),
                ),
            ),
            says=(
                f"Magnitudes: {100 - state.magnitude} % A, {state.magnitude} % B. Phases: {100 - state.phase} % A, "
                f"{state.phase} % B. The picture is more like {owner}."
            ),
            facts=(("waves", f"{SIDE} × {SIDE}"), ("round trip, largest error", f"{round_trip(ours):.1e}")),
        )

    def check(self, tools: Tools) -> None:
        photos = {name: grey_photo(name, tools) for name in PHOTOS}
        for ours in photos.values():
            assert round_trip(ours) < 1e-5
            for theirs in photos.values():
                if theirs is not ours:
                    mixed = from_spectrum(exchange(spectrum(ours), spectrum(theirs), 1.0, 0.0))
                    assert likeness(mixed, ours) > likeness(mixed, theirs)


def grey_photo(name: str, tools: Tools) -> Tensor:
    return luminance(tools.photo(name, SIDE)).double()


def stretched(image: Tensor) -> Tensor:
    """Between the 1st and 99th percentile."""
    low, high = image.flatten().quantile(0.01), image.flatten().quantile(0.99)
    return ((image - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)


def round_trip(image: Tensor) -> float:
    return float((from_spectrum(spectrum(image)) - image).abs().max())
