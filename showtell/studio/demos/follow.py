"""4.6 Follow the picture: activations of one picture's run put into another's, place by place and layer by layer."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from showtell.core.geometry import Box
from showtell.fusion.patching import Reading, hide_picture, next_word, patch_picture, patch_words, read, recovered
from showtell.images.decode import decode
from showtell.instruct.conversation import question
from showtell.studio.demos.sequence import assistant
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.heat import Heat
from showtell.studio.series.palette import sequential
from showtell.studio.series.scene import Bars, Line, Lines, Raster, Scene
from showtell.studio.series.tools import Tools
from showtell.text.decoder import Decoder
from showtell.worlds.board import EMPTY, draw, item
from showtell.worlds.dice import keyed

COLORS = {color: color for color in ("red", "yellow", "green", "blue")}
PLACES = {"circle": 0, "star": 8}  # cells of the board
BESIDE = {"circle": ("star", "green"), "star": ("circle", "red")}  # what else is there, the same in both pictures
SIDE, MOST_CELLS = 96, 16 * 40


@dataclass(frozen=True)
class State:
    shape: str = one_of("circle", {"circle": "the circle", "star": "the star"}, label="Asked about")
    a: str = one_of("red", COLORS, label="Its colour in A")
    b: str = one_of("blue", COLORS, label="Its colour in B")
    cell: int = bounded(79, Cell(label="Patched place", count=MOST_CELLS))


@dataclass(frozen=True)
class Traced:
    """Everything that does not depend on which place is looked at.

    names: of the places. share: (layers, places) of the way to B's answer. logits: the same places, next-word scores.
    """

    names: list[str]
    ids: tuple[int, int]
    clean: Tensor
    other: Tensor
    logits: Tensor
    share: Tensor
    hidden: Tensor


class Follow(Demo[State]):
    name = "follow"
    number = "4.6"
    title = "Follow the picture"
    lede = (
        "Two pictures, one question. Point at a place in the table: what picture B’s run held there is put into A’s "
        "run, and the rest is computed anew. Where the table is bright, B’s colour comes out."
    )
    claim = (
        "The picture’s tokens replaced before the first layer, or the last word’s after the last, give B’s scores "
        "exactly; the picture hidden after the last layer changes nothing."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        traced = tools.remember(("follow", state.shape, state.a, state.b), lambda: follow(state, tools))
        layers, places = traced.share.shape
        layer, place = divmod(min(state.cell, layers * places - 1), places)
        now, clean, other = (scores.softmax(-1) for scores in (traced.logits[layer, place], traced.clean, traced.other))
        hidden = traced.hidden.softmax(-1)[:, traced.ids[0]]
        whole = traced.logits[:, :2].softmax(-1)[:, 0, traced.ids[1]]
        rows = ["as they enter", *(f"after layer {number}" for number in range(1, layers))]
        return Scene(
            widgets=(
                *(
                    Raster(title=f"Picture {name}", rgb=picture(state.shape, color), smooth=True, size="s")
                    for name, color in (("A", state.a), ("B", state.b))
                ),
                Bars(
                    title="Next word, A’s run with the patch",
                    names=(f"{state.a}, A’s answer", f"{state.b}, B’s answer"),
                    values=[float(now[number]) for number in traced.ids],
                    texts=[f"{100 * float(now[number]):.0f} %" for number in traced.ids],
                    top=1.0,
                    concepts=("text", "image"),
                ),
                Lines(
                    title="When has the picture done its work?",
                    xs=list(range(layers)),
                    lines=[
                        Line(name="B’s picture from here on: B’s word", ys=whole.tolist(), concept="image"),
                        Line(name="picture hidden from here on: A’s word", ys=hidden.tolist(), concept="text"),
                    ],
                    x_name="layers passed",
                    y_name="probability",
                    at=layer,
                    low=0.0,
                    high=1.0,
                ),
                Heat(
                    title="How far one patched place moves A’s answer towards B’s (0 = not at all, 1 = all the way)",
                    rgb=sequential(traced.share, top=1.0),
                    rows=rows,
                    cols=traced.names,
                    values=traced.share.flatten().tolist(),
                    field="cell",
                    selected=layer * places + place,
                    note="first columns: the whole picture, the patches of the thing, all others; then the words",
                    size="full",
                ),
            ),
            says=said(state, traced, rows[layer], place, float(traced.share[layer, place])),
            facts=(
                ("A’s run says", f"{state.a}, {100 * float(clean[traced.ids[0]]):.0f} %"),
                ("B’s run says", f"{state.b}, {100 * float(other[traced.ids[1]]):.0f} %"),
                ("runs compared", str(layers * places)),
                ("model", tools.model_name),
            ),
        )

    def check(self, tools: Tools) -> None:
        for state in (State(), State(shape="star", a="green", b="red")):
            traced = follow(state, tools)
            top = float(traced.clean.abs().max())
            assert float((traced.logits[0, 0] - traced.other).abs().max()) < 1e-4 * top, "B’s picture, B’s answer"
            assert float((traced.logits[-1, -1] - traced.other).abs().max()) < 1e-4 * top
            assert float((traced.logits[-1, 0] - traced.clean).abs().max()) < 1e-4 * top
            assert float((traced.hidden[-1] - traced.clean).abs().max()) < 1e-4 * top
            assert float((traced.logits[0, 3:] - traced.clean).abs().max()) < 1e-4 * top, "words enter alike"


def follow(state: State, tools: Tools) -> Traced:
    """Both runs, and A's with every place of every layer patched in turn."""
    loaded = assistant(tools)
    model, template = loaded.model, loaded.template
    decoder, tokenizer = model.decoder, template.tokenizer
    processed = [loaded.processor(decode(picture(state.shape, color))) for color in (state.a, state.b)]
    box = processed[0].view.to_view(extent(state.shape, processed[0].view.source))
    rendered = template.render(question(f"what color is the {state.shape}?"), prompt=True)
    words = torch.tensor([*rendered.ids, *template.locations(box)])
    with torch.no_grad():
        tokens = model.image_tokens(torch.stack([one.pixels for one in processed]))
    a, b = (read(decoder, one, words) for one in tokens)
    clean, other = (next_word(decoder, one.stream[-1:])[0] for one in (a, b))
    inside = patches_in(box, loaded.model.config.vision.grid)
    logits = places_patched(decoder, a, b, inside)
    ids = tuple(tokenizer.encode(color)[0] for color in (state.a, state.b))
    share = recovered(logits, clean, other, (ids[0], ids[1])) if state.a != state.b else torch.zeros(logits.shape[:2])
    names = ["picture", f"its {state.shape}", "its rest"]
    names += [piece.strip() or "␣" for piece in tokenizer.pieces(words.tolist())]
    return Traced(names, (ids[0], ids[1]), clean, other, logits, share.clamp(-1, 2), hide_picture(decoder, a))


def places_patched(decoder: Decoder, a: Reading, b: Reading, inside: Tensor) -> Tensor:
    """(layers, places, vocab): the picture, its patches inside the thing's box, the others, and every word."""
    of_picture = [patch_picture(decoder, a, b, chosen) for chosen in (inside | True, inside, ~inside)]
    return torch.cat([torch.stack(of_picture, dim=1), patch_words(decoder, a, b)], dim=1)


def picture(shape: str, color: str) -> np.ndarray:
    """The thing that is asked about, and another one that is the same in both pictures."""
    board = list(EMPTY)
    other, its_color = BESIDE[shape]
    board[PLACES[shape]], board[PLACES[other]] = item(color, shape), item(its_color, other)
    return draw(tuple(board), keyed(4, 6), chance=0.0, side=SIDE)


def extent(shape: str, frame: object) -> Box:
    """The box of its cell, in pixels of the picture."""
    cell, third = PLACES[shape], SIDE / 3
    x, y = cell % 3 * third, cell // 3 * third
    return Box(x + 2, y + 2, x + third - 2, y + third - 2, frame)  # type: ignore[arg-type]


def patches_in(box: Box, grid: tuple[int, int]) -> Tensor:
    """Which tokens of the picture the box touches, row by row."""
    rows, cols = grid
    high, wide = box.frame.height / rows, box.frame.width / cols
    y, x = torch.arange(rows), torch.arange(cols)
    down = ((y + 1) * high > box.y1) & (y * high < box.y2)
    across = ((x + 1) * wide > box.x1) & (x * wide < box.x2)
    return (down[:, None] & across[None, :]).flatten()


def said(state: State, traced: Traced, layer: str, place: int, share: float) -> str:
    if state.a == state.b:
        return "Both pictures are the same; give them different colours, and there is something to follow."
    hidden = traced.hidden.softmax(-1)[:, traced.ids[0]]
    enough = next((number for number, p in enumerate(hidden.tolist()) if p > 0.5 * float(hidden[-1])), None)
    after = f" After layer {enough} the picture may be hidden from every word, and A’s answer survives."
    return (
        f"What B’s run held at “{traced.names[place]}” {layer} moves the answer {abs(100 * share):.0f} % of the way "
        f"to {state.b}.{after if enough is not None else ''}"
    )
