"""Skills of relations: two things of one picture against each other.

    relation   'where is the cup relative to the ring?'  'is the cup above the ring?'  'what is above the ring?'
    compare    'which is larger, the cup or the ring?'   'are there more cups than rings?'

Asked only where people would agree (`facts.relation`, `facts.larger`): a direction that is nearly diagonal or a size
that is nearly the same is passed over. Each takes the `Asker` of a picture and gives None when it does not allow the
question. Not here: what counts as left, above or larger (`facts.py`).
"""

from showtell.worlds import facts
from showtell.worlds.answers import names_of
from showtell.worlds.asker import Asker
from showtell.worlds.exchange import Exchange, said, yes_or_no
from showtell.worlds.facts import holds, leftmost_first, select
from showtell.worlds.grammar import is_mass, plural

_SAYINGS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above",),
    "below": ("below", "under"),
}
_LARGER, _SMALLER = ("larger", "bigger"), ("smaller",)


def relation(asker: Asker) -> Exchange | None:
    """Where one thing lies from another, asked in one of three ways."""
    if len(asker.facts.items) < 2:
        return None
    way = asker.dice.next()
    return _where(asker) if way < 0.4 else _is_where(asker) if way < 0.75 else _what_where(asker)


def _where(asker: Asker) -> Exchange | None:
    for _ in range(3):
        if (pair := asker.pair()) is None:
            return None
        a, b, phrase_a, phrase_b = pair
        if (direction := facts.relation(a, b)) and direction not in phrase_a:
            word = direction.split()[0]
            accepted = (word, direction, f"to the {word}", f"on the {word}", f"{direction} {phrase_b}")
            return said("relation", asker.question("where", a=phrase_a, b=phrase_b), accepted, a, evidence=(a, b))
    return None


def _is_where(asker: Asker) -> Exchange | None:
    if (pair := asker.pair()) is None:
        return None
    a, b, phrase_a, phrase_b = pair
    yes = asker.dice.chance(0.5)
    directions = [direction for direction in _SAYINGS if holds(a, direction, b) is yes]
    if not directions:
        return None
    rel = asker.dice.choice(_SAYINGS[asker.dice.choice(directions)])
    question = asker.question("is_where", a=phrase_a, b=phrase_b, rel=rel)
    return yes_or_no("relation", question, yes, a, evidence=(a, b))


def _what_where(asker: Asker) -> Exchange | None:
    """Asked only where exactly one thing lies there and all others clearly do not."""
    if (found := asker.described(asker.facts.items)) is None:
        return None
    b, phrase = found
    for direction in asker.dice.shuffled(tuple(_SAYINGS)):
        there = [(item, holds(item, direction, b)) for item in asker.facts.items if item is not b]
        inside = [item for item, lies in there if lies]
        if len(inside) == 1 and not any(lies is None for _, lies in there) and inside[0].name != "word":
            question = asker.question("what_where", rel=asker.dice.choice(_SAYINGS[direction]), b=phrase)
            return said("relation", question, names_of(inside[0]), inside[0], evidence=(b, inside[0]))
    return None


def compare(asker: Asker) -> Exchange | None:
    """Which is larger, or of what there is more."""
    return _size(asker) if asker.dice.chance(0.55) else _more(asker)


def _size(asker: Asker) -> Exchange | None:
    dice = asker.dice
    for _ in range(3):
        if (pair := asker.pair()) is None:
            return None
        a, b, phrase_a, phrase_b = pair
        big = facts.larger(a, b)
        if big is None or any(size in phrase_a + phrase_b for size in ("larger", "smaller")):
            continue
        wants_large = dice.chance(0.6)
        right = a if (big is a) == wants_large else b
        size = dice.choice(_LARGER if wants_large else _SMALLER)
        if a.name != b.name and dice.chance(0.5):
            question = asker.question("which_size", a=phrase_a, b=phrase_b, size=size)
            phrase = phrase_a if right is a else phrase_b
            accepted = (phrase, phrase.removeprefix("the "), *names_of(right))
            return said("compare", question, accepted, right, evidence=(a, b))
        if dice.chance(0.5):
            a, b, phrase_a, phrase_b = b, a, phrase_b, phrase_a
        question = asker.question("is_size", a=phrase_a, b=phrase_b, size=size)
        return yes_or_no("compare", question, right is a, a, evidence=(a, b))
    return None


def _more(asker: Asker) -> Exchange | None:
    """More of one kind than of another; kinds of equal number are left alone, so that the answer is always one."""
    called = {(item.name, None) for item in asker.things} | {(item.name, item.color) for item in asker.things}
    kinds = sorted(called, key=str)
    if len(kinds) < 2:
        return None
    (m_name, m_color), (n_name, n_color) = asker.dice.shuffled(kinds)[:2]
    if m_name == n_name and (m_color is None or n_color is None):
        return None
    all_m, all_n = select(asker.facts, m_name, m_color), select(asker.facts, n_name, n_color)
    m, n, both = len(all_m), len(all_n), (*leftmost_first(all_m), *leftmost_first(all_n))
    many_m, many_n = _many(m_name, m_color), _many(n_name, n_color)
    if m == n or is_mass(m_name) or is_mass(n_name):
        return None
    if asker.dice.chance(0.5):
        more = many_m if m > n else many_n
        question = asker.question("which_more", m=many_m, n=many_n)
        return said("compare", question, (more, f"more {more}"), evidence=both)
    return yes_or_no("compare", asker.question("is_more", m=many_m, n=many_n), m > n, evidence=both)


def _many(name: str, color: str | None) -> str:
    return plural(f"{color} {name}" if color else name)
