"""Editing a board: its bound, the shelf of things to take, and the picture that is painted on.

    state   board = 15.0.0.0.1.0.0.0.8, brush = 6        what is in the nine cells, and what a click puts there
    shelf   a wall of the things, one of them in hand    picture   a click puts it into a cell or takes it away

For every figure on the world of `worlds/board.py`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import UInt8

from showtell.studio.series.bounds import Bound
from showtell.studio.series.grid_bounds import Cell
from showtell.studio.series.scene import Raster, Size, Wall
from showtell.worlds import board
from showtell.worlds.dice import keyed

THINGS = len(board.COLORS) * len(board.SHAPES)
DICE = (4, 1)  # of the picture: the same board is always the same picture


@dataclass(frozen=True, kw_only=True)
class Cells(Bound):
    """Nine cells written 0.15.0.0.1.0.0.0.8; as few and as many things as the models have met."""

    def read(self, text: str) -> board.Board:
        parts = text.split(".")
        if len(parts) != board.CELLS or not all(part.isascii() and part.isdigit() and len(part) < 3 for part in parts):
            raise ValueError(f"it is {board.CELLS} whole numbers with points between them")
        cells = tuple(int(part) for part in parts)
        there = sum(value > 0 for value in cells)
        if any(value > THINGS for value in cells) or not 1 <= there <= board.MOST_THINGS:
            raise ValueError(f"it holds one to {board.MOST_THINGS} things, for the models have met no other boards")
        return cells

    def write(self, value: board.Board) -> str:
        return ".".join(map(str, value))

    def control(self) -> dict[str, Any]:
        return {"kind": "pointed", "count": board.CELLS}

    def examples(self) -> tuple[Any, ...]:
        return (5, *board.EMPTY[1:]), (0, 1, 2, 3, 4, 0, 0, 0, 0), (7, 0, 0, 0, 7, 0, 0, 0, 10)


BOARD = Cells(label="The board")
BRUSH = Cell(label="Thing in hand", count=THINGS)
HAND = board.item("yellow", "star") - 1
"""What the reader holds at first."""


def picture(seen: board.Board) -> UInt8[np.ndarray, "side side 3"]:
    """The board as the models see it in every figure: in the middle of what they were trained on."""
    return board.draw(seen, keyed(*DICE), chance=0.0)


def editor(seen: board.Board, hand: int, title: str = "The board", size: Size = "q") -> tuple[Raster, Wall]:
    """The board to be painted on, and the shelf."""
    names = {thing.cell: " ".join(thing.noun) for thing in board.things(seen)}
    counts = [float(sum(value == number + 1 for value in seen)) for number in range(THINGS)]
    return (
        Raster(
            title=title,
            rgb=picture(seen),
            alt=f"a board with {board.said(board.encode(board.description(seen)))}",
            grid=(3, 3),
            labels=[names.get(cell, "empty") for cell in range(board.CELLS)],
            field="board",
            gesture="paint",
            brush="brush",
            size=size,
            smooth=True,
        ),
        Wall(
            title="Take a thing, put it on the board",
            maps=shelf(),
            cols=4,
            names=[" ".join(board.things((number, *board.EMPTY[1:]))[0].noun) for number in range(1, THINGS + 1)],
            values=counts,
            value_name="on the board",
            field="brush",
            selected=hand,
            row_name="colour",
            col_name="shape",
            size="s",
        ),
    )


@cache
def shelf() -> list[UInt8[np.ndarray, "third third 3"]]:
    """A small picture of every thing."""
    third = board.SIDE // 3
    pictures = (picture((number, *board.EMPTY[1:])) for number in range(1, THINGS + 1))
    return [np.ascontiguousarray(one[:third, :third]) for one in pictures]
