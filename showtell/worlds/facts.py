"""Facts: what is in a made-up picture, exactly, and what follows from it.

    pixels + Facts(items, instance_map)  --->  count, relation, comparison, description, ...

A world draws a picture and writes down what it drew. Everything that is ever said about the picture (a caption, a
question and its answer, a box) is computed from these facts and never from the pixels, so every training target
has a truth that can be checked. An item's box is the extent of the pixels of it that can be *seen*: what another item
covers does not count.

Functions here answer only where people would agree. A relation is `None` when two centres are close or
diagonal, a comparison when two sizes are alike. Not here: English sentences (`answers.py`), questions
(`language.py`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from showtell.core.geometry import Box, Frame, Point

CLEAR_DISTANCE = 0.12  # of the longer side: centres closer than this along an axis are "beside each other" on it
CLEAR_AXIS = 1.6  # how many times one axis must exceed the other before a direction is the direction
CLEAR_SIZE = 1.5  # ratio of areas before one thing is "larger"

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing in a picture."""

    kind: str
    """"shape", "cutout" or "word"."""
    name: str
    """What one calls it: a shape's name, a cut-out's category, "sign" or "word" for words."""
    color: str | None
    """A colour word where it is safe to ask for it (shapes of one colour, the plate of a sign), otherwise None."""
    text: str | None
    """The letters of a word, upper case."""
    size: str | None
    """"large" or "small" where exactly two things of one name differ clearly, otherwise None."""
    box: Box
    """Extent of the visible pixels."""
    center: Point
    """Middle of the box."""
    instance: str | None
    """Which cut-out it is; None for shapes and words."""
    index: int
    """Position in `Facts.items`; `instance_map` holds index + 1."""
    letters: tuple[float, ...] = ()
    """x of the borders between the letters of a word, the first and the last included, in pixels of the picture."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything there is to know about one picture."""

    frame: Frame
    """Size of the picture in pixels."""
    items: tuple[Item, ...]
    """All things that can be seen, in the order they were drawn."""
    instance_map: UInt8[np.ndarray, "height width"]
    """0 where the background shows, i + 1 where item i is on top."""
    background: str
    """Kind of background: "plain", "photo", ..."""
    split: str
    """Which split of the world drew it."""
    names: tuple[str, ...] = ()
    """Every name that this world can draw: the pool that absent things are asked from."""


def distance(a: Item, b: Item) -> tuple[float, float]:
    """(dx, dy) from the centre of b to the centre of a, as fractions of the picture's longer side."""
    side = max(a.box.frame.width, a.box.frame.height)
    return (a.center.x - b.center.x) / side, (a.center.y - b.center.y) / side


def relation(a: Item, b: Item) -> str | None:
    """The one direction in which a lies from b, or None when no single word would be right."""
    dx, dy = distance(a, b)
    if abs(dx) > CLEAR_DISTANCE and abs(dx) > CLEAR_AXIS * abs(dy):
        return "left of" if dx < 0 else "right of"
    if abs(dy) > CLEAR_DISTANCE and abs(dy) > CLEAR_AXIS * abs(dx):
        return "above" if dy < 0 else "below"
    return None


def holds(a: Item, direction: str, b: Item) -> bool | None:
    """Whether a lies in `direction` from b; None while the centres are too close along that axis to say."""
    dx, dy = distance(a, b)
    along = {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[direction]
    return None if abs(along) <= CLEAR_DISTANCE else along > 0


def matches(item: Item, name: str | None = None, color: str | None = None) -> bool:
    """Whether an item is called `name` and has `color`; None matches everything."""
    return (name is None or item.name == name) and (color is None or item.color == color)


def select(facts: Facts, name: str | None = None, color: str | None = None) -> list[Item]:
    """All items of a name and a colour."""
    return [item for item in facts.items if matches(item, name, color)]


def count(facts: Facts, name: str | None = None, color: str | None = None) -> int:
    """How many items of a name and a colour there are."""
    return len(select(facts, name, color))


def area(item: Item) -> float:
    """Area of the item's box in pixels."""
    return float(item.box.area)


def larger(a: Item, b: Item) -> Item | None:
    """The clearly larger of two items, or None when their boxes are of about the same size."""
    if area(a) >= CLEAR_SIZE * area(b):
        return a
    return b if area(b) >= CLEAR_SIZE * area(a) else None


def left_to_right(facts: Facts) -> list[Item]:
    """All items in the order of their centres, the leftmost first; ties go to the upper one."""
    return leftmost_first(facts.items)


def leftmost_first(items: Iterable[Item]) -> list[Item]:
    """Items in the order of their centres, the leftmost first; ties go to the upper one."""
    return sorted(items, key=lambda item: (item.center.x, item.center.y))


def noun(item: Item) -> str:
    """The colour, where there is one, and the name: 'red star', 'dog', 'yellow sign'."""
    return f"{item.color} {item.name}" if item.color else item.name


def spot(facts: Facts, item: Item) -> Point:
    """A point on the item itself: its middle, or the pixel of it nearest to its middle (a ring has a hole)."""
    x, y = int(item.center.x), int(item.center.y)
    if facts.instance_map[y, x] == item.index + 1:
        return item.center
    box = item.box
    window = facts.instance_map[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)]
    rows, columns = (window == item.index + 1).nonzero()
    nearest = int(((rows + box.y1 - y) ** 2 + (columns + box.x1 - x) ** 2).argmin())
    return Point(float(columns[nearest] + box.x1 + 0.5), float(rows[nearest] + box.y1 + 0.5), facts.frame)


def superlative(item: Item, among: list[Item]) -> str | None:
    """'leftmost', 'rightmost', 'top' or 'bottom' when the item clearly is that among the others of its kind."""
    others = [other for other in among if other is not item]
    for direction, word in _EXTREMES:
        if others and all(holds(item, direction, other) for other in others):
            return word
    return None


_EXTREMES = (("left of", "leftmost"), ("right of", "rightmost"), ("above", "top"), ("below", "bottom"))


def description(facts: Facts, item: Item, use_color: bool = True) -> str | None:
    """The shortest phrase that means this item and no other: 'the dog', 'the red star', 'the larger circle',
    'the leftmost dog', 'the cup above the ring'. None when none of these forms is unambiguous.

    `use_color=False` leaves colours out: a question for the colour must not give it away.
    """
    names = Counter(other.name for other in facts.items)
    if names[item.name] == 1:
        return f"the {item.name}"
    color = item.color if use_color else None
    same, called = select(facts, item.name, color), f"{color} {item.name}" if color else item.name
    if len(same) == 1:
        return f"the {called}"
    if len(same) == 2 and (big := larger(*same)) is not None:
        return f"the {'larger' if big is item else 'smaller'} {called}"
    if (word := superlative(item, same)) is not None:
        return f"the {word} {called}"
    return _beside(item, called, same, facts, names)


def _beside(item: Item, called: str, same: list[Item], facts: Facts, names: Counter[str]) -> str | None:
    """'the cup above the ring': an only one of its kind as a landmark, and no other of the kind there."""
    for mark in facts.items:
        if names[mark.name] != 1 or mark is item:
            continue
        direction = relation(item, mark)
        if direction and all(holds(other, direction, mark) is False for other in same if other is not item):
            return f"the {called} {direction} the {mark.name}"
    return None
