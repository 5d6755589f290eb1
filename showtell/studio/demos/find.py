"""3.7 Find it: a sentence against pictures that were embedded once, with the pair of towers inside the package."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from showtell.contrastive.embedder import PairEmbedder
from showtell.core.errors import DataError
from showtell.images.decode import Picture, decode
from showtell.images.resize import resize
from showtell.instruct.embedding import embedder_of
from showtell.load import load
from showtell.studio.limits import RequestError
from showtell.studio.series.bounds import Words, bounded
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.scene import Bars, Scene, Wall
from showtell.studio.series.tools import PHOTOS, Tools
from showtell.worlds.cutouts import load_pack

KINDS = ("dog", "guitar", "banana", "bicycle", "flower", "car", "butterfly", "sailboat", "house", "horse")
COUNT, SIDE, SHOWN = len(PHOTOS) + len(KINDS), 160, 64
PAPER = (240, 238, 232)
FOUND = 5


@dataclass(frozen=True)
class State:
    words: str = bounded("something warm to drink", Words(label="What are you looking for?", most=80))
    place: int = bounded(0, Cell(label="Place in the ranking", count=COUNT))


class Find(Demo[State]):
    name = "find"
    number = "3.7"
    title = "Find it"
    lede = (
        "Six photographs and ten cut-outs, embedded once by the small pair inside the package. Describe one of them in "
        "your own words; choose a picture to see which others are most like it."
    )
    claim = "Best by cosine and nearest by distance are one order: ‖q − x‖² = 2 − 2 q · x at length one."
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        names, thumbnails, vectors = tools.remember("shelf", lambda: shelf(tools))
        query = asked(state.words, tools)
        scores = vectors @ query
        order = scores.argsort(descending=True).tolist()
        chosen = order[state.place]
        alike = vectors @ vectors[chosen]
        nearest = [i for i in alike.argsort(descending=True).tolist() if i != chosen][:FOUND]
        return Scene(
            widgets=(
                Wall(
                    title="Best first",
                    maps=[thumbnails[i] for i in order],
                    cols=8,
                    names=[f"{place + 1}. {names[i]}" for place, i in enumerate(order)],
                    values=scores[order].tolist(),
                    value_name="cosine",
                    field="place",
                    selected=state.place,
                    size="full",
                ),
                Bars(
                    title=f"Cosine with “{state.words}”",
                    names=[names[i] for i in order[:FOUND]],
                    values=scores[order[:FOUND]].tolist(),
                    top=1.0,
                    concepts=["text"] * FOUND,
                    size="l",
                ),
                Bars(
                    title=f"Most like the marked picture, {names[chosen]}",
                    names=[names[i] for i in nearest],
                    values=alike[nearest].tolist(),
                    top=1.0,
                    concepts=["image"] * FOUND,
                    size="l",
                ),
            ),
            says=(
                f"“{state.words}” finds {names[order[0]]} first, with a lead of "
                f"{float(scores[order[0]] - scores[order[1]]):.3f} over {names[order[1]]}."
            ),
            facts=(
                ("the index", f"{len(names)} pictures × {vectors.shape[1]} numbers"),
                ("a search", f"{2 * vectors.numel():,} operations"),
                ("words with pictures, mean cosine", f"{float(scores.mean()):+.3f}"),
                ("pictures with pictures, mean", f"{mean_between(vectors):+.3f}"),
                ("model", pair(tools).name),
            ),
        )

    def check(self, tools: Tools) -> None:
        _, _, vectors = tools.remember("shelf", lambda: shelf(tools))
        assert torch.allclose(vectors.norm(dim=1), torch.ones(COUNT), atol=1e-5)
        for words in ("a cat", "breakfast", "music"):
            query = asked(words, tools)
            distance = (vectors.double() - query.double()).square().sum(dim=1)
            assert torch.allclose(distance, 2 - 2 * vectors.double() @ query.double(), atol=1e-5)
            cosine = vectors.double() @ query.double()
            assert cosine.argsort(descending=True).tolist() == distance.argsort().tolist()


def pair(tools: Tools) -> PairEmbedder:
    """The dual encoder of the package."""
    return tools.remember("pocket-clip", lambda: embedder_of(load("pocket-clip")))


def asked(words: str, tools: Tools) -> Tensor:
    """(dim,) of length one; raises RequestError for words that the model cannot read."""
    try:
        return pair(tools).texts([words])[0].clone()
    except DataError as error:
        raise RequestError(f"{str(error)[0].upper()}{str(error)[1:]}.", 422) from None


def shelf(tools: Tools) -> tuple[list[str], list[UInt8[np.ndarray, "64 64 3"]], Tensor]:
    """Names, thumbnails and unit vectors of the pictures."""
    pack = load_pack()
    cutouts = {kind: pack.rgba(pack.by_category("heldout")[kind][0]) for kind in KINDS}
    pictures = [tools.picture(name) for name in PHOTOS] + [on_paper(rgba) for rgba in cutouts.values()]
    thumbnails = [resize(middle(picture.pixels), SHOWN, SHOWN, "bicubic") for picture in pictures]
    return [*PHOTOS.values(), *KINDS], thumbnails, pair(tools).pictures(pictures).clone()


def on_paper(rgba: UInt8[np.ndarray, "rows cols 4"]) -> Picture:
    """A cut-out in the middle of a plain square."""
    cut = Image.fromarray(rgba)
    cut.thumbnail((SIDE * 7 // 8, SIDE * 7 // 8))
    ground = Image.new("RGB", (SIDE, SIDE), PAPER)
    ground.paste(cut, ((SIDE - cut.width) // 2, (SIDE - cut.height) // 2), cut)
    return decode(ground)


def middle(pixels: UInt8[np.ndarray, "rows cols 3"]) -> UInt8[np.ndarray, "side side 3"]:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def mean_between(rows: Tensor) -> float:
    """Mean cosine of two different rows."""
    return float(((rows @ rows.T).sum() - len(rows)) / (len(rows) * (len(rows) - 1)))
