"""3.4 Write your own classifier: class names become weights, and pictures are told apart by words alone."""

import colorsys
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from showtell.contrastive.duets import read, see
from showtell.contrastive.zero_shot import ZeroShot, classifier
from showtell.core.errors import DataError
from showtell.studio.limits import RequestError
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.list_bounds import Names
from showtell.studio.series.scene import Bars, Concept, Raster, Ribbon, Scene, Token
from showtell.studio.series.tools import Tools
from showtell.worlds.duets import COLORS, PAPER, SHAPES, Duet, Thing, draw
from showtell.worlds.shapes import shade

HUES, SIZES = 18, 6
SMALL, LARGE = 0.09, 0.29  # radius, in shares of the picture's side; training has drawn 0.13 to 0.19
TILE = 28  # pixels of a little picture on the map
TEMPLATES = {
    "something": ("something {}",),
    "a": ("a {}",),
    "drawing": ("a drawing of a {}",),
    "all": ("{}", "something {}", "a {}", "a picture of a {}", "a drawing of a {}", "there is a {}"),
}
NAMED = {"something": "something …", "a": "a …", "drawing": "a drawing of a …", "all": "six templates, averaged"}
INKS: tuple[Concept, ...] = ("image", "text", "query", "key", "warn", "plain")
WASHES = ((160, 215, 208), (206, 186, 236), (243, 200, 160), (165, 203, 236), (240, 178, 178), (205, 209, 214))
"""Grounds of classes whose name holds no colour, in the inks of the legend."""


@dataclass(frozen=True)
class State:
    names: tuple[str, ...] = bounded(
        ("red", "yellow", "green", "blue", "purple"),
        Names(
            label="Class names, with commas",
            least=2,
            most=6,
            letters=40,
            trial=(("circle", "square"), ("red star", "blue circle and no star"), SHAPES),
        ),
    )
    template: str = one_of("something", NAMED, label="Written into")
    shape: str = one_of("heart", {s: s for s in SHAPES}, label="Shape")
    cell: int = bounded(64, Cell(label="Picture", count=HUES * SIZES))


class Classifier(Demo[State]):
    name = "classifier"
    number = "3.4"
    title = "Write your own classifier"
    lede = (
        "Type class names; each becomes a row of weights, no picture needed. The map shows one shape in every "
        "hue and size; the ground behind each is the class it was given. Point at one to see how sure."
    )
    claim = "A class’s weights are its templates’ mean vector at length one; classifying is one matrix product."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        words = written(state.names, TEMPLATES[state.template], tools)
        duets = everything(state.shape)
        images = tools.remember(("everything", state.shape), lambda: see(tools.duets("plain"), duets))
        tiles = tools.remember(("tiles", state.shape), lambda: cut_out(duets))
        chances = words.probabilities(images)  # (pictures, classes)
        best, sure = chances.argmax(dim=1), chances.amax(dim=1)
        here = chances[state.cell].tolist()
        cosines = (words.weights @ images[state.cell]).tolist()
        agree = agreement(state, best, images, tools)
        return Scene(
            widgets=(
                Raster(
                    title=f"One {state.shape} in {HUES} hues and {SIZES} sizes, by class",
                    rgb=painted(tiles, best, sure, washes(words.labels)),
                    grid=(SIZES, HUES),
                    labels=[words.labels[int(k)] for k in best],
                    values=sure.tolist(),
                    field="cell",
                    selected=state.cell,
                    note="across: hue; down: size; strong ground: sure, pale ground: undecided",
                    size="full",
                    smooth=True,
                ),
                Ribbon(
                    title="The classes, and how many pictures each took",
                    tokens=legend(words.labels, best),
                ),
                Raster(
                    title="The marked picture",
                    rgb=draw(duets[state.cell], 160),
                    alt=f"a {state.shape} of hue {360 * (state.cell % HUES) // HUES} degrees",
                    size="q",
                    smooth=True,
                ),
                Bars(
                    title="Its probabilities, and the cosines they are made of",
                    names=words.labels,
                    values=here,
                    texts=[f"{100 * p:.0f} %, {c:+.2f}" for p, c in zip(here, cosines, strict=True)],
                    top=1.0,
                    concepts=["image" if k == int(best[state.cell]) else "plain" for k in range(len(here))],
                    size="l",
                ),
                Bars(
                    title="Pictures whose class one template alone gives too",
                    names=TEMPLATES["all"],
                    values=agree,
                    texts=[f"{100 * share:.0f} %" for share in agree],
                    top=1.0,
                ),
            ),
            says=verdict(words.labels, best, sure),
            facts=(
                ("weights", f"{len(words.labels)} classes × {words.weights.shape[1]} numbers"),
                ("temperature, as learned", f"{1 / words.scale:.3f}"),
                ("mean certainty", f"{100 * float(sure.mean()):.0f} %"),
                ("most alike classes", closest(words)),
            ),
        )

    def check(self, tools: Tools) -> None:
        names, model = State().names, tools.duets("plain")
        words = written(names, TEMPLATES["all"], tools)
        for name, row in zip(names, words.weights, strict=True):
            vectors = read(model, [template.format(name) for template in TEMPLATES["all"]])
            assert torch.allclose(row, F.normalize(vectors.mean(dim=0), dim=0), atol=1e-6)
        duets = everything("heart")
        images = see(model, duets)
        product = (images @ words.weights.T * words.scale).softmax(dim=1)
        assert torch.allclose(product, words.probabilities(images), atol=1e-6)
        assert torch.allclose(see(model, [duets[9]])[0], images[9], atol=1e-5), "the same in any company"


def written(names: tuple[str, ...], templates: tuple[str, ...], tools: Tools) -> ZeroShot:
    """The classifier of the names; raises RequestError for a word that the model has never read."""
    model = tools.duets("plain")
    scale = float(model.similarity.scale.exp())
    try:
        return classifier(lambda captions: read(model, captions), names, templates, scale)
    except DataError as error:
        raise RequestError(f"{str(error)[0].upper()}{str(error)[1:]}.", 422) from None


def agreement(state: State, best: Tensor, images: Tensor, tools: Tools) -> list[float]:
    """For each template, the share of pictures that it alone gives the class they have now."""
    alone = [written(state.names, (template,), tools) for template in TEMPLATES["all"]]
    return [float(((images @ one.weights.T).argmax(dim=1) == best).double().mean()) for one in alone]


def everything(shape: str) -> list[Duet]:
    """The shape in all hues, row by row in growing sizes, in the middle of a plain ground."""
    sizes = torch.linspace(SMALL, LARGE, SIZES).tolist()
    inks = [colorsys.hsv_to_rgb(hue / HUES, 0.85, 0.85) for hue in range(HUES)]
    things = [
        Thing(color="red", shape=shape, x=0.5, y=0.5, size=size, rgb=(255 * r, 255 * g, 255 * b))
        for size in sizes
        for r, g, b in inks
    ]
    return [Duet(things=(thing,)) for thing in things]


def washes(labels: tuple[str, ...]) -> list[np.ndarray]:
    """The ground of each class: a pale shade of the first colour in its name, if no class before has that one."""
    taken: list[str] = []
    grounds = []
    for label, wash in zip(labels, WASHES, strict=False):
        color = next((word for word in label.split() if word in COLORS and word not in taken), "")
        taken.append(color)
        pale = 0.55 * np.array(PAPER) + 0.45 * np.array(shade(color, 0.5, 0.5, 0.5)) if color else np.array(wash)
        grounds.append(pale)
    return grounds


def inks(labels: tuple[str, ...]) -> list[Concept]:
    """The legend's ink of each class; classes of a colour name themselves."""
    named = [any(word in COLORS for word in label.split()) for label in labels]
    return ["plain" if known else ink for known, ink in zip(named, INKS, strict=False)]


def legend(labels: tuple[str, ...], best: Tensor) -> list[Token]:
    counts = best.bincount(minlength=len(labels)).tolist()
    return [Token(text=t, concept=ink, count=n) for t, ink, n in zip(labels, inks(labels), counts, strict=True)]


def painted(
    tiles: tuple[np.ndarray, np.ndarray], best: Tensor, sure: Float[Tensor, " pictures"], grounds: list[np.ndarray]
) -> UInt8[np.ndarray, "height width 3"]:
    """Every picture, small, on the ground of its class; paler where the classifier is less sure."""
    ink, clear = tiles
    share = sure.double().numpy()[:, None] ** 2
    ground = np.array(PAPER) + share * (np.stack(grounds)[best.numpy()] - np.array(PAPER))  # (pictures, 3)
    drawn = np.rint(ink + clear * ground[:, None, None, :]).clip(0, 255).astype(np.uint8)
    return drawn.reshape(SIZES, HUES, TILE, TILE, 3).swapaxes(1, 2).reshape(SIZES * TILE, HUES * TILE, 3)


def cut_out(duets: list[Duet]) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, TILE, TILE, 3) twice: the ink of each picture, and the share of the ground that stays visible."""
    black, white = (
        np.stack([draw(replace(duet, ground=(g, g, g)), TILE) for duet in duets]).astype(float) for g in (0.0, 255.0)
    )
    return black, (white - black) / 255


def closest(words: ZeroShot) -> str:
    """The two classes whose weights are most alike."""
    alike = words.weights @ words.weights.T - 2 * torch.eye(len(words.labels))
    i, j = divmod(int(alike.argmax()), len(words.labels))
    return f"{words.labels[min(i, j)]} and {words.labels[max(i, j)]}, {float(alike[i, j]):+.2f}"


def verdict(labels: tuple[str, ...], best: Tensor, sure: Tensor) -> str:
    taken = best.bincount(minlength=len(labels))
    most = int(taken.argmax())
    if int((taken > 0).sum()) == 1:
        return f"“{labels[most]}” has taken all {len(best)} pictures: these words do not divide them."
    return (
        f"{len(labels)} names divide {len(best)} pictures; “{labels[most]}” takes the most, {int(taken[most])}. "
        f"It is less than 60 % sure of {int((sure < 0.6).sum())}."
    )
