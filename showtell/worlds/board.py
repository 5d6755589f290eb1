"""The board: a world small enough to be learned in minutes, and everything that can be said about it.

    [ 0 15  0 ]        48 x 48 pixels        "blue star top center red cross bottom left ."
    [ 0  0  0 ]  --->  of a picture   and    "what color is the star ?"  "blue"
    [ 4  0  0 ]

Three rows of three cells; each is empty (0) or holds one coloured shape. A picture of it is drawn with a little chance
in place, size, shade and light. The language has a few dozen words, one token each, and no sentence outside of what is
computed here. Models of this world are trained by `recipes/board.py`: a tower that never reads, a language model that
never sees, and the parts that join them. Not here: rich pictures (`scene.py`) and the language of the shipped model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from showtell.worlds.dice import Dice
from showtell.worlds.sprites import shape_sprite

SIDE, CELLS = 48, 9
COLORS = ("red", "yellow", "green", "blue")
SHAPES = ("circle", "square", "star", "cross")
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "center", "right")
NUMBERS = ("none", "one", "two", "three", "four")
SIDES = {"left": (0, -1), "right": (0, 1), "above": (-1, 0), "below": (1, 0)}
SKILLS = ("color", "shape", "where", "count", "exists", "relation", "describe")
MOST_THINGS = 4
Board = tuple[int, ...]
EMPTY: Board = (0,) * CELLS


@dataclass(frozen=True)
class Thing:
    """A coloured shape in a cell."""

    cell: int
    color: str
    shape: str

    @property
    def place(self) -> tuple[str, str]:
        return ROWS[self.cell // 3], COLUMNS[self.cell % 3]

    @property
    def noun(self) -> tuple[str, str]:
        return self.color, self.shape


@dataclass(frozen=True)
class Asked:
    """A question and its one answer, as words.

    swapped: a "no" whose colour and shape are both on the board, on different things: only binding tells.
    """

    skill: str
    question: tuple[str, ...]
    answer: tuple[str, ...]
    swapped: bool = False


def item(color: str, shape: str) -> int:
    """The number of a coloured shape in a `Board`."""
    return 1 + COLORS.index(color) * len(SHAPES) + SHAPES.index(shape)


def things(board: Board) -> list[Thing]:
    """What is on the board, in reading order."""
    return [
        Thing(cell, COLORS[(value - 1) // len(SHAPES)], SHAPES[(value - 1) % len(SHAPES)])
        for cell, value in enumerate(board)
        if value
    ]


def draw(board: Board, dice: Dice, chance: float = 1.0, side: int = SIDE) -> UInt8[np.ndarray, "side side 3"]:
    """A picture of the board, `side` pixels wide; `chance` scales how far places, sizes and light vary."""
    cell = side / 3
    canvas = np.full((3, side, side), 78 + 26 * chance * dice.between(-1, 1), np.float32)
    for thing in things(board):
        sprite = shape_sprite(thing.shape, thing.color, cell * (0.875 + 0.09 * chance * dice.between(-1, 1)), dice)
        assert sprite is not None
        height, width = sprite.alpha.shape
        y = _start(thing.cell // 3, cell, height, side, chance * dice.between(-1, 1))
        x = _start(thing.cell % 3, cell, width, side, chance * dice.between(-1, 1))
        window = canvas[:, y : y + height, x : x + width]
        window *= 1 - sprite.alpha
        window += sprite.premultiplied
    return np.clip(canvas, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _start(place: int, cell: float, extent: int, side: int, off: float) -> int:
    """First pixel of a thing in the middle of its row or column, moved by up to a tenth of a cell, kept inside."""
    return min(max(round((place + 0.5 + 0.1 * off) * cell - extent / 2), 0), side - extent)


def sample(dice: Dice) -> Board:
    """One to four things; later ones often repeat a colour or a shape, so that counting and binding matter."""
    board = list(EMPTY)
    placed: list[Thing] = []
    for cell in dice.shuffled(range(CELLS))[: 1 + dice.below(MOST_THINGS)]:
        color, shape = dice.choice(COLORS), dice.choice(SHAPES)
        if placed and dice.chance(0.3):
            color = dice.choice(placed).color
        if placed and dice.chance(0.3):
            shape = dice.choice(placed).shape
        placed.append(Thing(cell, color, shape))
        board[cell] = item(color, shape)
    return tuple(board)


def description(board: Board) -> tuple[str, ...]:
    """All of it in reading order: "red star top left blue cross bottom right"."""
    return tuple(word for thing in things(board) for word in (*thing.noun, *thing.place))


def ask(board: Board, skill: str, dice: Dice) -> Asked | None:
    """One question of a skill; None when the board does not allow it."""
    return ASK[skill](things(board), dice)


def ask_all(board: Board) -> Iterator[Asked]:
    """A question of every skill the board allows, with fixed dice."""
    for number, skill in enumerate(SKILLS):
        asked = ask(board, skill, Dice(np.random.default_rng(number)))
        if asked is not None:
            yield asked


def _describe(seen: list[Thing], dice: Dice) -> Asked | None:
    answer = tuple(word for thing in seen for word in (*thing.noun, *thing.place))
    return Asked("describe", ("describe", "?"), answer) if seen else None


def _only(seen: list[Thing], kind: str) -> list[Thing]:
    """Things that are alone in having their colour, or their shape."""
    values = [getattr(thing, kind) for thing in seen]
    return [thing for thing, value in zip(seen, values, strict=True) if values.count(value) == 1]


def _color(seen: list[Thing], dice: Dice) -> Asked | None:
    if not (single := _only(seen, "shape")):
        return None
    thing = dice.choice(single)
    return Asked("color", ("what", "color", "is", "the", thing.shape, "?"), (thing.color,))


def _shape(seen: list[Thing], dice: Dice) -> Asked | None:
    if not (single := _only(seen, "color")):
        return None
    thing = dice.choice(single)
    return Asked("shape", ("what", "is", thing.color, "?"), (thing.shape,))


def _where(seen: list[Thing], dice: Dice) -> Asked | None:
    if not (single := _only(seen, "shape")):
        return None
    thing = dice.choice(single)
    return Asked("where", ("where", "is", "the", thing.shape, "?"), thing.place)


def _count(seen: list[Thing], dice: Dice) -> Asked | None:
    kind, names = ("color", COLORS) if dice.chance(0.5) else ("shape", SHAPES)
    there = [getattr(thing, kind) for thing in seen]
    word = dice.choice(there) if there and dice.chance(0.8) else dice.choice(names)
    return Asked("count", ("how", "many", word, "?"), (NUMBERS[there.count(word)],))


def _exists(seen: list[Thing], dice: Dice) -> Asked | None:
    """Yes and no are equally likely; where it can be, a no exchanges what belongs together."""
    if not seen:
        return None
    thing, nouns = dice.choice(seen), {thing.noun for thing in seen}
    if dice.chance(0.5):
        return Asked("exists", ("is", "there", "a", *thing.noun, "?"), ("yes",))
    crossed = [(a.color, b.shape) for a in seen for b in seen if (a.color, b.shape) not in nouns]
    if crossed:
        return Asked("exists", ("is", "there", "a", *dice.choice(crossed), "?"), ("no",), swapped=True)
    other = (thing.color, dice.choice([shape for shape in SHAPES if shape != thing.shape]))
    return Asked("exists", ("is", "there", "a", *other, "?"), ("no",)) if other not in nouns else None


def _relation(seen: list[Thing], dice: Dice) -> Asked | None:
    single = _only(seen, "shape")
    if len(single) < 2:
        return None
    one, other = dice.shuffled(single)[:2]
    apart = (one.cell // 3 - other.cell // 3, one.cell % 3 - other.cell % 3)
    true = [side for side, (down, right) in SIDES.items() if down * apart[0] > 0 or right * apart[1] > 0]
    false = [side for side, (down, right) in SIDES.items() if down * apart[0] < 0 or right * apart[1] < 0]
    yes = dice.chance(0.5)
    side = dice.choice(true if yes else false)
    question = ("is", "the", one.shape, side, "the", other.shape, "?")
    return Asked("relation", question, ("yes" if yes else "no",), swapped=not yes)


ASK = {
    "color": _color,
    "shape": _shape,
    "where": _where,
    "count": _count,
    "exists": _exists,
    "relation": _relation,
    "describe": _describe,
}
START, IMAGE, PADDING, STOP = "<start>", "<image>", "<pad>", "."
WORDS = (
    PADDING, START, IMAGE, STOP, "?", *COLORS, *SHAPES, *ROWS, *COLUMNS, *NUMBERS, "above", "below",
    "what", "color", "is", "the", "where", "how", "many", "there", "a", "describe", "yes", "no",
)  # fmt: skip
NUMBER = {word: number for number, word in enumerate(WORDS)}
assert len(NUMBER) == len(WORDS)


def encode(words: Sequence[str]) -> list[int]:
    """Words to ids; raises KeyError for a word that is not of this language."""
    return [NUMBER[word] for word in words]


def said(ids: Sequence[int]) -> str:
    """Ids to text."""
    return " ".join(WORDS[number] for number in ids)
