"""Skills of attributes: what colour, how many, is there one.

    color     'what color is the larger ring?'     never asked with the colour in the question
    count     'how many red stars?'                counts evened out: a world of ones would teach "1"
    exists    'is there a red star?'               as often no as yes, and "no" differs by one word from what is there

Each takes the `Asker` of a picture and gives None when the picture does not allow it. Not here: two kinds counted
against each other (`skills_relations.py`).
"""

from collections.abc import Sequence

from showtell.worlds import answers
from showtell.worlds.asker import Asker
from showtell.worlds.exchange import Exchange, said, yes_or_no
from showtell.worlds.facts import Item, leftmost_first, noun, select
from showtell.worlds.grammar import article, is_mass, is_plural, plural

_COUNT_WEIGHT = (0.0, 0.12, 0.55, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0)  # of asking for something that is there so many times


def color(asker: Asker) -> Exchange | None:
    """The colour of one thing, or of all things of a kind that have the same."""
    plain = {item.name for item in asker.facts.items if not item.color}  # "the star" could be one of two colours
    colored = [item for item in asker.facts.items if item.color and item.name not in plain]
    if not colored:
        return None
    item = asker.dice.choice(colored)
    same = select(asker.facts, item.name)
    if len(same) > 1 and all(other.color == item.color for other in same):
        question = asker.question("color_all", many=plural(item.name))
        return said("color", question, (str(item.color),), evidence=leftmost_first(same))
    if (found := asker.described(colored, use_color=False)) is None:
        return None
    item, phrase = found
    return said("color", asker.question("color", the=phrase), (str(item.color),), item)


def count(asker: Asker) -> Exchange | None:
    """How many; large counts are preferred as far as there are any, and none is asked for now and then."""
    dice, things = asker.dice, asker.things
    if dice.chance(0.10) and (absent := asker.absent(dice.choice(things) if things else None)):
        return _count(asker, absent, [])
    options = {called: items for called, items in _countable(asker).items() if len(items) == 1 or not is_mass(called)}
    if not options:
        return None
    called = dice.weighted([(called, _COUNT_WEIGHT[min(len(items), 8)]) for called, items in options.items()])
    return _count(asker, called, options[called])


def _countable(asker: Asker) -> dict[str, list[Item]]:
    """What can be counted: each kind with and without its colour, and the words that mean several kinds."""
    facts, things = asker.facts, asker.things
    options: dict[str, list[Item]] = {}
    for item in things:
        options[item.name] = select(facts, item.name)
        if item.color:
            options[noun(item)] = select(facts, item.name, item.color)
    shapes = [item for item in things if item.kind == "shape"]
    if len(shapes) > 1:
        options["shape"] = shapes
        if len(shapes) == len(facts.items) and all(item.color for item in shapes):
            for color in sorted({str(item.color) for item in shapes}):
                options[f"{color} shape"] = select(facts, None, color)
    if things and not asker.words:
        options["thing"] = things
    return options


def _count(asker: Asker, called: str, items: Sequence[Item]) -> Exchange | None:
    if is_mass(called) or is_plural(called):
        return None
    question, n = asker.question("count", many=plural(called)), len(items)
    accepted = answers.number(n) + (answers.absent(called) if n == 0 else ())
    return said("count", question, accepted, evidence=leftmost_first(items), target=n)


def exists(asker: Asker) -> Exchange | None:
    """One thing of the picture, or the same question with one word changed; yes and no are equally likely."""
    dice = asker.dice
    if dice.chance(0.28 if asker.words else 0.05):
        return yes_or_no("exists", asker.question("exists_text"), bool(asker.words), evidence=asker.words[:1])
    if not asker.things:
        return None
    item, yes, in_color = dice.choice(asker.things), dice.chance(0.5), dice.chance(0.6)
    called: str | None = noun(item) if in_color else item.name
    if not yes:
        paired = item.color and in_color
        called = asker.absent_pair(str(item.color), item.name) if paired else asker.absent_name(item.kind)
    if called is None:
        return None
    same = leftmost_first(select(asker.facts, item.name, item.color if in_color else None))
    about = same[0] if yes else None
    if dice.chance(0.25) or is_plural(called):
        question = asker.question("exists_many", many=plural(called))
        return None if is_mass(called) else yes_or_no("exists", question, yes, about)
    return yes_or_no("exists", asker.question("exists", a=article(called)), yes, about)
