"""4.2 What word is this patch? The words nearest to the projected patches, while the projection is being trained."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.images.normalize import to_uint8
from showtell.studio import board_models as models
from showtell.studio.board_scores import FIRST
from showtell.studio.series import board_editor
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.heat import Heat
from showtell.studio.series.scene import Bars, Concept, Line, Lines, Scene
from showtell.studio.series.tools import Tools
from showtell.worlds import board
from showtell.worlds.dice import keyed

STEPS = (0, 5, 20, 60, 200, 700)
SPECIAL = len((board.PADDING, board.START, board.IMAGE))  # ids below it are no words
NEAREST, HELD_OUT = 6, 64
DEFAULT = (board.item("red", "circle"), 0, 0, 0, 0, board.item("blue", "star"), 0, board.item("green", "cross"), 0)


@dataclass(frozen=True)
class State:
    board: tuple[int, ...] = bounded(DEFAULT, board_editor.BOARD)
    brush: int = bounded(board_editor.HAND, board_editor.BRUSH)
    step: int = one_of(700, {str(step): str(step) for step in STEPS}, label="Training steps", typed=int)
    patch: int = bounded(16, Cell(label="Patch", count=models.TOKENS))


class Dialect(Demo[State]):
    name = "dialect"
    number = "4.2"
    title = "What word is this patch?"
    lede = (
        "A tower that never read a word, a language model that never saw a picture, both frozen, and two layers "
        "between them. Step through the training of those two layers and read which word each patch comes nearest to."
    )
    claim = (
        "On held-out boards the patches of a thing have a word that is true of it as their nearest one more often "
        "after training than before, and no patch ever becomes a word: the nearest cosine stays below 0.95."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        likeness = nearness(models.snapshots()[state.step], [board_editor.picture(state.board)])[0]  # (patches, words)
        nearest = likeness.argmax(dim=1)
        own = likeness[state.patch]
        best = own.argsort(descending=True)[:NEAREST].tolist()
        curve = tools.remember(("dialect",), lambda: {step: score(model) for step, model in models.snapshots().items()})
        rows, cols = models.TOWER.grid
        there = {thing.cell: thing for thing in board.things(state.board)}
        thing = there.get(cell_of(state.patch))
        return Scene(
            widgets=(
                *board_editor.editor(state.board, state.brush),
                Heat(
                    title=f"Nearest word of each patch after {state.step} steps",
                    rgb=tints(state.board),
                    rows=[f"row {row + 1}" for row in range(rows)],
                    cols=[f"column {col + 1}" for col in range(cols)],
                    names=False,
                    texts=[word(number) for number in nearest.tolist()],
                    values=likeness.amax(dim=1).tolist(),
                    field="patch",
                    selected=state.patch,
                    size="t",
                    square=True,
                ),
                Bars(
                    title="Cosine of the chosen patch with its nearest words",
                    names=[word(number) for number in best],
                    values=[max(float(own[number]), 0.0) for number in best],
                    texts=[f"{float(own[number]):.2f}" for number in best],
                    top=1.0,
                    concepts=[ink(word(number), thing) for number in best],
                    size="s",
                ),
                Lines(
                    title=f"Over {HELD_OUT} held-out boards",
                    xs=list(range(len(STEPS))),
                    lines=[
                        Line(
                            name="nearest word is true of the thing", ys=[curve[s][0] for s in STEPS], concept="image"
                        ),
                        Line(name="mean cosine with the nearest word", ys=[curve[s][1] for s in STEPS], concept="text"),
                    ],
                    ticks=[str(step) for step in STEPS],
                    x_name="training steps",
                    y_name="",
                    at=STEPS.index(state.step),
                    low=0.0,
                    high=1.0,
                ),
            ),
            says=said(state, curve, thing, word(best[0]), float(own.max())),
            facts=(
                ("snapshots after", ", ".join(map(str, STEPS)) + " steps"),
                ("trained", f"{sum(p.numel() for p in models.joined().connector.parameters()):,} numbers"),
                ("frozen", f"{sum(p.numel() for m in (models.tower(), models.decoder()) for p in m.parameters()):,}"),
                ("chance of a true word", f"{chance():.2f}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        first, last = (score(models.snapshots()[step]) for step in (STEPS[0], STEPS[-1]))
        assert last[0] > first[0] + 0.1, (first, last)
        assert max(first[2], last[2]) < 0.95, "near words, never words"


@torch.no_grad()
def nearness(model: PrefixVLM, pictures: list[np.ndarray]) -> Tensor:
    """Cosine of every projected patch with every word of the language model, (pictures, patches, words)."""
    projected = F.normalize(model.image_tokens(models.pixels_of(pictures)), dim=-1)
    return projected @ F.normalize(model.decoder.embedding.weight[SPECIAL:], dim=-1).T


def score(model: PrefixVLM) -> tuple[float, float, float]:
    """(share of things' patches whose nearest word is true of the thing, mean and largest cosine with the nearest)."""
    boards = [board.sample(keyed(1, FIRST + index)) for index in range(HELD_OUT)]
    pictures = [board.draw(seen, keyed(1, FIRST + index)) for index, seen in enumerate(boards)]
    best = nearness(model, pictures).max(dim=-1)
    hits: list[bool] = []
    for seen, nearest in zip(boards, best.indices.tolist(), strict=True):
        for thing in board.things(seen):
            own = [number for patch, number in enumerate(nearest) if cell_of(patch) == thing.cell]
            hits += [word(number) in true_of(thing) for number in own]
    return float(np.mean(hits)), float(best.values.mean()), float(best.values.max())


def true_of(thing: board.Thing) -> tuple[str, ...]:
    """Its colour, its shape, its row and its column."""
    return (*thing.noun, *thing.place)


def chance() -> float:
    """How often a word drawn at random would be true."""
    return 4 / (len(board.WORDS) - SPECIAL)


def cell_of(patch: int) -> int:
    """The cell of the board that a patch belongs to."""
    side = models.TOWER.grid[0]
    return patch // side // (side // 3) * 3 + patch % side // (side // 3)


def word(number: int) -> str:
    return board.WORDS[SPECIAL + number]


def tints(seen: board.Board) -> np.ndarray:
    """The middle colour of each patch."""
    side, patch = models.TOWER.grid[0], models.TOWER.patch_size
    pixels = torch.from_numpy(board_editor.picture(seen)).permute(2, 0, 1).float() / 255
    return to_uint8(F.avg_pool2d(pixels, patch)).reshape(side, side, 3)


def ink(name: str, thing: board.Thing | None) -> Concept:
    return "image" if thing is not None and name in true_of(thing) else "plain"


def said(
    state: State, curve: dict[int, tuple[float, float, float]], thing: board.Thing | None, name: str, cosine: float
) -> str:
    true, mean, _ = curve[state.step]
    where = "an empty place" if thing is None else f"the {' '.join(thing.noun)}"
    return (
        f"The chosen patch lies on {where}; its nearest word is “{name}”, at a cosine of {cosine:.2f}. After "
        f"{state.step} steps {100 * true:.0f} % of all patches on things are nearest to a word that is true of them, "
        f"and the mean cosine is {mean:.2f}: a dialect of the words, not the words."
    )
