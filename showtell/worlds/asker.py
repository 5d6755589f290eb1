"""The asker: one picture that is asked about, and what every kind of question needs of it.

    facts --described()--> (item, "the larger ring")      a phrase that means this item and no other
          --absent()-----> "blue ring"                    nearly what is there, and not there

What is there and what is not are drawn so that a question cannot be answered without looking: an absent thing is the
same colour on another shape, the same shape in another colour, another animal. In the training splits no held-out pair
of colour and shape is ever named: were it asked about, the answer would always be no. Not here: the questions
(`skills_*.py`), their words (`wording.py`).
"""

from collections.abc import Sequence
from functools import cache

from showtell.worlds.answers import Part
from showtell.worlds.dice import Dice
from showtell.worlds.facts import Facts, Item, count, description, noun
from showtell.worlds.grammar import is_plural
from showtell.worlds.related import confusable
from showtell.worlds.shapes import COLORS, SHAPES, held_out_pair
from showtell.worlds.wording import Wording


class Asker:
    """Asks about one picture. A method returns None when the picture has nothing of the kind."""

    def __init__(self, facts: Facts, dice: Dice, phrasings: str) -> None:
        self.facts = facts
        self.dice = dice
        self.wording = Wording(dice, phrasings)
        self.things = [item for item in facts.items if item.kind != "word"]
        self.words = [item for item in facts.items if item.kind == "word"]

    def question(self, way: str, place: Part | None = None, **slots: str) -> tuple[Part, ...]:
        """A way of asking, put into words."""
        return self.wording.question(way, place, **slots)

    # what is there ----------------------------------------------------------------------------------------------------

    def described(self, items: Sequence[Item], use_color: bool = True) -> tuple[Item, str] | None:
        """A random item that a phrase can single out, and the phrase."""
        for item in self.dice.shuffled(items):
            if (phrase := self._phrase(item, use_color)) is not None:
                return item, phrase
        return None

    def pair(self) -> tuple[Item, Item, str, str] | None:
        """Two items that phrases can single out, and the phrases."""
        first = self.described(self.facts.items)
        second = first and self.described([item for item in self.facts.items if item is not first[0]])
        return (first[0], second[0], first[1], second[1]) if first and second else None

    def _phrase(self, item: Item, use_color: bool = True) -> str | None:
        """A phrase that singles an item out; sometimes with a colour that would not be needed."""
        phrase = description(self.facts, item, use_color)
        if phrase == f"the {item.name}" and item.color and use_color and self.dice.chance(0.5):
            return f"the {noun(item)}"
        return phrase

    # what is not there ------------------------------------------------------------------------------------------------

    def absent(self, like: Item | None) -> str | None:
        """Something that is not there: often nearly what is there."""
        if like is not None and like.kind == "shape" and like.color and self.dice.chance(0.5):
            return self.absent_pair(like.color, like.name)
        kind = like.kind if like is not None else self.dice.choice(("shape", "cutout"))
        name = self.absent_name(kind if kind != "word" else "shape")
        return None if name is None or is_plural(name) else name

    def absent_name(self, kind: str) -> str | None:
        """A name of the same kind that could be in such a picture, is not, and is not another word for what is."""
        present = {item.name for item in self.facts.items}
        pool = _pool(self.facts.names, kind)
        for _ in range(8 if pool else 0):
            name = self.dice.choice(pool)
            if name not in present and not any(confusable(name, other) for other in present):
                return name
        return None

    def absent_pair(self, color: str, shape: str) -> str | None:
        """The same colour on another shape or the same shape in another colour, never a pair of the other split."""
        side = self.facts.split == "composition"
        if self.dice.chance(0.5):
            pairs = [(color, other) for other in SHAPES if other != shape]
        else:
            pairs = [(other, shape) for other in COLORS if other != color]
        patterned = {item.name for item in self.facts.items if item.kind == "shape" and not item.color}
        pairs = [pair for pair in pairs if held_out_pair(*pair) == side and not count(self.facts, pair[1], pair[0])]
        pairs = [pair for pair in pairs if pair[1] not in patterned]  # a star of red and blue: is it a red star?
        return " ".join(self.dice.choice(pairs)) if pairs else None


@cache
def _pool(names: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """The names of one kind; kept, because a world's tuple of names is the same object for all its pictures."""
    return tuple(SHAPES) if kind == "shape" else tuple(name for name in names if name not in SHAPES and name != "sign")
