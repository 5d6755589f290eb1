"""Language: questions about a picture and their answers, all computed from its facts.

    Facts --exchanges(facts, rng)--> [Exchange(skill, question, answer, accepted, target, item), ...]

A question or an answer is a tuple of parts, strings and places (`Box`, `Point`); joined as they stand, with places
written as location tokens, they are the text. All text is lower case, except words read from the picture.

One picture gives a varied handful of exchanges, drawn so that an answer cannot be guessed without looking: yes and no
are equally likely and differ in one word of the question (the same colour on another shape, the same shape in another
colour, another animal); counts are evened out; one question in ten is about something that is not there, and its answer
says so. In the training splits no question names a held-out pair of colour and shape: were it asked about, the answer
would always be no. Not here: the wording (`phrases.py`), sentences about a whole picture (`answers.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Point
from showtell.worlds import answers, phrases
from showtell.worlds.answers import Part
from showtell.worlds.dice import Dice
from showtell.worlds.facts import Facts, Item, count, description, holds, larger, noun, relation, select
from showtell.worlds.related import confusable
from showtell.worlds.shapes import COLORS, SHAPES, held_out_pair

# skill: (weight, at most so many of one picture)
SKILLS: dict[str, tuple[float, int]] = {
    "caption": (1.1, 1),
    "list": (1.2, 1),
    "dense": (0.8, 1),
    "name": (0.9, 2),
    "color": (1.2, 2),
    "count": (1.5, 2),
    "exists": (1.5, 3),
    "relation": (2.4, 3),
    "compare": (1.3, 2),
    "refer": (1.3, 2),
    "region": (0.9, 2),
    "point": (0.7, 2),
    "read": (1.6, 1),
    "decline": (0.9, 2),
}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question and its answer."""

    skill: str
    """One of `SKILLS`."""
    question: tuple[Part, ...]
    """Text and places."""
    answer: tuple[Part, ...]
    """The one canonical answer."""
    accepted: tuple[str, ...]
    """Answers that count as right in scoring, the canonical one first; empty when the answer is a place."""
    target: Box | Point | int | None = None
    """What a place or a count is scored against."""
    item: int | None = None
    """Index of the item that the question is about, where it is one."""
    evidence: tuple[int, ...] = ()
    """Indices of the items that the answer rests on, in the order of the question, counted things from left to right;
    empty where the answer is itself a place, a description, or that there is no such thing."""


def exchanges(
    facts: Facts,
    rng: np.random.Generator,
    phrasings: str = "train",
    most: int = 8,
    skills: Sequence[str] | None = None,
) -> list[Exchange]:
    """Up to `most` different exchanges about a picture; `skills` limits them. Raises ConfigError for unknown names."""
    chosen = tuple(SKILLS) if skills is None else tuple(skills)
    if unknown := [skill for skill in chosen if skill not in SKILLS]:
        raise ConfigError(f"skill {unknown[0]!r} is unknown; choose from {', '.join(SKILLS)}")
    asker = _Asker(facts, Dice(rng), phrasings)
    left = {skill: SKILLS[skill][1] if len(chosen) > 1 else most for skill in chosen}
    found: list[Exchange] = []
    seen = set()
    for _ in range(3 * most):
        open_skills = [(skill, SKILLS[skill][0]) for skill in chosen if left[skill]]
        if len(found) == most or not open_skills:
            break
        skill = asker.dice.weighted(open_skills)
        exchange = asker.ask(skill)
        if exchange is None:
            left[skill] -= 1
        elif (key := _key(exchange)) not in seen:
            seen.add(key)
            left[skill] -= 1
            found.append(exchange)
    return found


def _key(exchange: Exchange) -> tuple[object, ...]:
    """Two exchanges that teach the same thing in other words have the same key.

    Yes and no go by the words alone: fewer things can be affirmed of a picture than denied, and dropping repetitions of
    the former would make "no" the better guess.
    """
    by_words = len(exchange.accepted) == 1 and (exchange.item is None or exchange.answer[0] in ("yes", "no"))
    return exchange.skill, exchange.answer, exchange.question if by_words else exchange.item


def outside(rng: np.random.Generator, phrasings: str = "train") -> Exchange:
    """A question that no picture answers, and the answer that says so."""
    return _Asker(None, Dice(rng, block=8), phrasings).outside()


class _Asker:
    """Asks about one picture. Every method returns None when the picture does not allow its question."""

    def __init__(self, facts: Facts | None, dice: Dice, phrasings: str) -> None:
        if phrasings not in ("train", "heldout"):
            raise ConfigError(f"phrasings {phrasings!r} is unknown; choose 'train' or 'heldout'")
        self.dice = dice
        self._ways = phrases.TRAIN if phrasings == "train" else phrases.HELD_OUT
        if facts is not None:
            self._facts = facts
            self._things = [item for item in facts.items if item.kind != "word"]
            self._words = [item for item in facts.items if item.kind == "word"]
            self._named = [item for item in facts.items if item.name != "word"]

    def ask(self, skill: str) -> Exchange | None:
        return _ASK[skill](self)

    # wording ----------------------------------------------------------------------------------------------------------

    def _question(self, way: str, place: Part | None = None, **slots: str) -> tuple[Part, ...]:
        """A random wording; it may lose its question mark or gain a please."""
        text = self.dice.choice(self._ways[way])
        for slot in ("the", "a"):
            if slot in slots and phrases.is_plural(phrases.head(slots[slot])):
                text = phrases.agree(text, f"{{{slot}}}")
        if slots:
            text = text.format_map(slots) if place is None else text.replace("{the}", slots.get("the", ""))
        mark = self.dice.next()
        if text.endswith("?"):
            if mark < 0.2:
                text = text[:-1]
        elif mark < 0.1:
            text = f"please {text}"
        elif mark < 0.15:
            text = f"{text}, please"
        elif mark < 0.35:
            text = f"{text}."
        if place is None:
            return (text,)
        before, after = text.split("{box}" if isinstance(place, Box) else "{point}")
        return tuple(part for part in (before, place, after) if part != "")

    def _said(
        self,
        skill: str,
        question: tuple[Part, ...],
        accepted: Iterable[str],
        item: Item | None = None,
        evidence: Sequence[Item] | None = None,
    ) -> Exchange:
        """An answer in words; without other evidence it rests on the item it is about."""
        accepted = tuple(dict.fromkeys(accepted))
        rests_on = [item] if evidence is None and item is not None else evidence or ()
        return Exchange(
            skill=skill,
            question=question,
            answer=(accepted[0],),
            accepted=accepted,
            item=None if item is None else item.index,
            evidence=tuple(seen.index for seen in rests_on),
        )

    def _yes_no(
        self,
        skill: str,
        question: tuple[Part, ...],
        yes: bool,
        item: Item | None = None,
        evidence: Sequence[Item] | None = None,
    ) -> Exchange:
        return self._said(skill, question, ("yes",) if yes else ("no",), item, evidence)

    def _described(self, items: Sequence[Item], use_color: bool = True) -> tuple[Item, str] | None:
        """A random item that a phrase can single out, and the phrase."""
        for item in self.dice.shuffled(items):
            if (phrase := self._phrase(item, use_color)) is not None:
                return item, phrase
        return None

    def _phrase(self, item: Item, use_color: bool = True) -> str | None:
        """A phrase that singles an item out; sometimes with a colour that would not be needed."""
        phrase = description(self._facts, item, use_color)
        if phrase == f"the {item.name}" and item.color and use_color and self.dice.chance(0.5):
            return f"the {noun(item)}"
        return phrase

    # what is not there ------------------------------------------------------------------------------------------------

    def _absent_name(self, kind: str) -> str | None:
        """A name of the same kind that could be in such a picture, is not, and is not another word for what is."""
        present = {item.name for item in self._facts.items}
        pool = _pool(self._facts.names, kind)
        for _ in range(8 if pool else 0):
            name = self.dice.choice(pool)
            if name not in present and not any(confusable(name, other) for other in present):
                return name
        return None

    def _absent_pair(self, color: str, shape: str) -> str | None:
        """The same colour on another shape or the same shape in another colour, never a pair of the other split."""
        side = self._facts.split == "composition"
        if self.dice.chance(0.5):
            pairs = [(color, other) for other in SHAPES if other != shape]
        else:
            pairs = [(other, shape) for other in COLORS if other != color]
        pairs = [pair for pair in pairs if held_out_pair(*pair) == side and not count(self._facts, pair[1], pair[0])]
        return " ".join(self.dice.choice(pairs)) if pairs else None

    def _absent(self, like: Item | None) -> str | None:
        """Something that is not there: often nearly what is there."""
        if like is not None and like.kind == "shape" and like.color and self.dice.chance(0.5):
            return self._absent_pair(like.color, like.name)
        kind = like.kind if like is not None else self.dice.choice(("shape", "cutout"))
        name = self._absent_name(kind if kind != "word" else "shape")
        return None if name is None or phrases.is_plural(name) else name

    # skills -----------------------------------------------------------------------------------------------------------

    def caption(self) -> Exchange | None:
        return self._said("caption", self._question("caption"), (answers.caption(self._facts),))

    def list(self) -> Exchange | None:
        return self._said("list", self._question("list"), (answers.listing(self._facts),))

    def dense(self) -> Exchange | None:
        if len(self._facts.items) > 6:
            return None
        answer = answers.dense(self._facts)
        accepted = (answers.NOTHING,) if answer == (answers.NOTHING,) else ()
        return Exchange(skill="dense", question=self._question("dense"), answer=answer, accepted=accepted)

    def name(self) -> Exchange | None:
        items = self._facts.items
        if len(items) == 1 and items[0].name != "word" and self.dice.chance(0.7):
            return self._said("name", self._question("name"), answers.names_of(items[0]), items[0])
        if not items:
            return None
        item = self.dice.choice(items)
        return self._said("name", self._question("name_at", spot(self._facts, item)), answers.names_of(item), item)

    def region(self) -> Exchange | None:
        if not self._facts.items:
            return None
        item = self.dice.choice(self._facts.items)
        others = [other for other in self._facts.items if other is not item]
        if any(_covers(item.box, other) for other in others):
            return None
        return self._said("region", self._question("region", item.box), answers.names_of(item), item, evidence=())

    def color(self) -> Exchange | None:
        colored = [item for item in self._facts.items if item.color]
        if not colored:
            return None
        item = self.dice.choice(colored)
        same = select(self._facts, item.name)
        if len(same) > 1 and all(other.color == item.color for other in same):
            question = self._question("color_all", many=phrases.plural(item.name))
            return self._said("color", question, (str(item.color),), evidence=_leftmost_first(same))
        if (found := self._described(colored, use_color=False)) is None:
            return None
        item, phrase = found
        return self._said("color", self._question("color", the=phrase), (str(item.color),), item)

    def count(self) -> Exchange | None:
        """How many; large counts are preferred as far as there are any, and none is asked for now and then."""
        facts, dice = self._facts, self.dice
        if dice.chance(0.10) and (absent := self._absent(dice.choice(self._things) if self._things else None)):
            return self._count(absent, [])
        options: dict[str, list[Item]] = {}
        for item in self._things:
            options[item.name] = select(facts, item.name)
            if item.color:
                options[noun(item)] = select(facts, item.name, item.color)
        shapes = [item for item in self._things if item.kind == "shape"]
        if len(shapes) > 1:
            options["shape"] = shapes
            if len(shapes) == len(facts.items):
                for color in {str(item.color) for item in shapes}:
                    options[f"{color} shape"] = select(facts, None, color)
        if self._things and not self._words:
            options["thing"] = self._things
        options = {name: items for name, items in options.items() if len(items) == 1 or not phrases.is_mass(name)}
        if not options:
            return None
        called = dice.weighted([(called, _COUNT_WEIGHT[min(len(items), 8)]) for called, items in options.items()])
        return self._count(called, options[called])

    def _count(self, called: str, items: Sequence[Item]) -> Exchange | None:
        if phrases.is_mass(called) or phrases.is_plural(called):
            return None
        question, n = self._question("count", many=phrases.plural(called)), len(items)
        accepted = answers.number(n) + (answers.absent(called) if n == 0 else ())
        said = self._said("count", question, accepted, evidence=_leftmost_first(items))
        return replace(said, target=n)

    def exists(self) -> Exchange | None:
        """One thing of the picture, or the same question with one word changed; yes and no are equally likely."""
        dice = self.dice
        if dice.chance(0.28 if self._words else 0.05):
            return self._yes_no("exists", self._question("exists_text"), bool(self._words), evidence=self._words[:1])
        if not self._things:
            return None
        item, yes, in_color = dice.choice(self._things), dice.chance(0.5), dice.chance(0.6)
        item_called: str | None = noun(item) if in_color else item.name
        if not yes:
            paired = item.color and in_color
            item_called = self._absent_pair(str(item.color), item.name) if paired else self._absent_name(item.kind)
        if item_called is None:
            return None
        same = _leftmost_first(select(self._facts, item.name, item.color if in_color else None))
        about = same[0] if yes else None
        if dice.chance(0.25) or phrases.is_plural(item_called):
            question = self._question("exists_many", many=phrases.plural(item_called))
            if phrases.is_mass(item_called):
                return None
            return self._yes_no("exists", question, yes, about)
        return self._yes_no("exists", self._question("exists", a=phrases.article(item_called)), yes, about)

    def relation(self) -> Exchange | None:
        if len(self._facts.items) < 2:
            return None
        way = self.dice.next()
        return self._where() if way < 0.4 else self._is_where() if way < 0.75 else self._what_where()

    def _pair(self) -> tuple[Item, Item, str, str] | None:
        """Two items that phrases can single out."""
        first = self._described(self._facts.items)
        second = first and self._described([item for item in self._facts.items if item is not first[0]])
        return (first[0], second[0], first[1], second[1]) if first and second else None

    def _where(self) -> Exchange | None:
        for _ in range(3):
            if (pair := self._pair()) is None:
                return None
            a, b, phrase_a, phrase_b = pair
            if (direction := relation(a, b)) and direction not in phrase_a:
                word = direction.split()[0]
                accepted = (word, direction, f"to the {word}", f"on the {word}", f"{direction} {phrase_b}")
                question = self._question("where", a=phrase_a, b=phrase_b)
                return self._said("relation", question, accepted, a, evidence=(a, b))
        return None

    def _is_where(self) -> Exchange | None:
        if (pair := self._pair()) is None:
            return None
        a, b, phrase_a, phrase_b = pair
        yes = self.dice.chance(0.5)
        directions = [direction for direction in _SAYINGS if holds(a, direction, b) is yes]
        if not directions:
            return None
        rel = self.dice.choice(_SAYINGS[self.dice.choice(directions)])
        question = self._question("is_where", a=phrase_a, b=phrase_b, rel=rel)
        return self._yes_no("relation", question, yes, a, evidence=(a, b))

    def _what_where(self) -> Exchange | None:
        """Asked only where exactly one thing lies there and all others clearly do not."""
        if (found := self._described(self._facts.items)) is None:
            return None
        b, phrase = found
        for direction in self.dice.shuffled(tuple(_SAYINGS)):
            there = [(item, holds(item, direction, b)) for item in self._facts.items if item is not b]
            inside = [item for item, lies in there if lies]
            if len(inside) == 1 and not any(lies is None for _, lies in there) and inside[0].name != "word":
                question = self._question("what_where", rel=self.dice.choice(_SAYINGS[direction]), b=phrase)
                return self._said("relation", question, answers.names_of(inside[0]), inside[0], evidence=(b, inside[0]))
        return None

    def compare(self) -> Exchange | None:
        return self._size() if self.dice.chance(0.55) else self._more()

    def _size(self) -> Exchange | None:
        for _ in range(3):
            if (pair := self._pair()) is None:
                return None
            a, b, phrase_a, phrase_b = pair
            big = larger(a, b)
            if big is None or any(size in phrase_a + phrase_b for size in ("larger", "smaller")):
                continue
            wants_large, dice = self.dice.chance(0.6), self.dice
            right = a if (big is a) == wants_large else b
            size = dice.choice(_LARGER if wants_large else _SMALLER)
            if a.name != b.name and dice.chance(0.5):
                question = self._question("which_size", a=phrase_a, b=phrase_b, size=size)
                phrase = phrase_a if right is a else phrase_b
                accepted = (phrase, phrase[4:], *answers.names_of(right))
                return self._said("compare", question, accepted, right, evidence=(a, b))
            if dice.chance(0.5):
                a, b, phrase_a, phrase_b = b, a, phrase_b, phrase_a
            question = self._question("is_size", a=phrase_a, b=phrase_b, size=size)
            return self._yes_no("compare", question, right is a, a, evidence=(a, b))
        return None

    def _more(self) -> Exchange | None:
        """More of one kind than of another; kinds of equal number are only asked about with yes or no."""
        called = {(item.name, None) for item in self._things} | {(item.name, item.color) for item in self._things}
        kinds = sorted(called, key=str)
        if len(kinds) < 2:
            return None
        (m_name, m_color), (n_name, n_color) = self.dice.shuffled(kinds)[:2]
        if m_name == n_name and (m_color is None or n_color is None):
            return None
        all_m, all_n = select(self._facts, m_name, m_color), select(self._facts, n_name, n_color)
        m, n, both = len(all_m), len(all_n), (*_leftmost_first(all_m), *_leftmost_first(all_n))
        many_m, many_n = _many(m_name, m_color), _many(n_name, n_color)
        if m == n or phrases.is_mass(m_name) or phrases.is_mass(n_name):
            return None
        if self.dice.chance(0.5):
            more = many_m if m > n else many_n
            question = self._question("which_more", m=many_m, n=many_n)
            return self._said("compare", question, (more, f"more {more}"), evidence=both)
        return self._yes_no("compare", self._question("is_more", m=many_m, n=many_n), m > n, evidence=both)

    def refer(self) -> Exchange | None:
        return self._place("refer", lambda item: item.box)

    def point(self) -> Exchange | None:
        return self._place("point", lambda item: spot(self._facts, item))

    def _place(self, skill: str, place: Callable[[Item], Box | Point]) -> Exchange | None:
        if (found := self._described(self._facts.items)) is None:
            return None
        item, phrase = found
        where = place(item)
        return Exchange(
            skill=skill,
            question=self._question(skill, the=phrase),
            answer=(where,),
            accepted=(),
            target=item.box if skill == "point" else where,
            item=item.index,
        )

    def read(self) -> Exchange | None:
        if not self._words:
            return None
        word = self.dice.choice(self._words)
        text = str(word.text)
        return self._said("read", self._question("read", thing=word.name), (text, text.lower()), word)

    def decline(self) -> Exchange | None:
        """A question about what is not there, or that no picture answers."""
        dice = self.dice
        if dice.chance(0.18):
            return self.outside()
        if not self._words and dice.chance(0.12):
            thing = dice.choice(("sign", "word"))
            question, called = self._question("read", thing=thing), "text"
            return self._said("decline", question, answers.absent(called))
        called_or_none = self._absent(dice.choice(self._things) if self._things and dice.chance(0.7) else None)
        if called_or_none is None:
            return None
        called = called_or_none
        way = dice.choice(("color", "refer", "refer", "point", "where"))
        if way == "color" and called.split()[0] in COLORS:
            way = "refer"
        if way == "where":
            if (found := self._described(self._facts.items)) is None:
                return None
            question = self._question("where", a=f"the {called}", b=found[1])
        else:
            question = self._question(way, the=f"the {called}")
        return self._said("decline", question, answers.absent(called))

    def outside(self) -> Exchange:
        accepted = (phrases.CANNOT_TELL, phrases.CANNOT_TELL[:-1], "i cannot tell.")
        return self._said("decline", self._question("outside"), accepted)


_ASK: dict[str, Callable[[_Asker], Exchange | None]] = {skill: getattr(_Asker, skill) for skill in SKILLS}
_COUNT_WEIGHT = (0.0, 0.12, 0.55, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0)
_SAYINGS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above",),
    "below": ("below", "under"),
}
_LARGER, _SMALLER = ("larger", "bigger"), ("smaller",)


def _leftmost_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.center.x, item.center.y))


def _many(name: str, color: str | None) -> str:
    return phrases.plural(f"{color} {name}" if color else name)


def _covers(box: Box, item: Item) -> bool:
    """Whether more than a third of another item lies in a box: then the box does not mean one thing."""
    other = item.box
    width = min(box.x2, other.x2) - max(box.x1, other.x1)
    height = min(box.y2, other.y2) - max(box.y1, other.y1)
    return width > 0 and height > 0 and width * height > 0.35 * other.area


_POOLS: dict[tuple[int, str], tuple[str, ...]] = {}


def _pool(names: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """The names of one kind; kept, because a world's tuple of names is the same object for all its pictures."""
    if kind == "shape":
        return tuple(SHAPES)
    key = (hash(names), kind)
    if key not in _POOLS:
        _POOLS[key] = tuple(name for name in names if name not in SHAPES and name != "sign")
    return _POOLS[key]


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
