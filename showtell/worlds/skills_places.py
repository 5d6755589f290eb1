"""Skills of places: from a place in the picture to a word, and from a phrase to a place.

    name     'what is at <point>?'         -> 'dog'         refer    'find the dog'       -> <box>
    region   'what is in <box>?'           -> 'dog'         point    'point to the dog'   -> <point>

A phrase means one item and no other, and so does a box that is asked about: one that another item fills too is not
asked about. Each takes the `Asker` of a picture and gives None when the picture does not allow it. Not here: how
places are written as tokens (`text/coordinates.py`).
"""

from showtell.core.geometry import Box, Point
from showtell.worlds.answers import names_of
from showtell.worlds.asker import Asker
from showtell.worlds.exchange import Exchange, said
from showtell.worlds.facts import Item, spot


def name(asker: Asker) -> Exchange | None:
    """What lies at a point; of a picture of one thing also simply what it is."""
    items = asker.facts.items
    if len(items) == 1 and items[0].name != "word" and asker.dice.chance(0.7):
        return said("name", asker.question("name"), names_of(items[0]), items[0])
    if not items:
        return None
    item = asker.dice.choice(items)
    return said("name", asker.question("name_at", spot(asker.facts, item)), names_of(item), item)


def region(asker: Asker) -> Exchange | None:
    """What fills a box."""
    items = asker.facts.items
    if not items:
        return None
    item = asker.dice.choice(items)
    if any(_covers(item.box, other) for other in items if other is not item):
        return None
    return said("region", asker.question("region", item.box), names_of(item), item, evidence=())


def refer(asker: Asker) -> Exchange | None:
    """The box of what a phrase means."""
    if (found := asker.described(asker.facts.items)) is None:
        return None
    item, phrase = found
    return _place("refer", asker, item, phrase, item.box)


def point(asker: Asker) -> Exchange | None:
    """A point on what a phrase means; any point in its box is near enough."""
    if (found := asker.described(asker.facts.items)) is None:
        return None
    item, phrase = found
    return _place("point", asker, item, phrase, spot(asker.facts, item))


def _place(skill: str, asker: Asker, item: Item, phrase: str, where: Box | Point) -> Exchange:
    question = asker.question(skill, the=phrase)
    return Exchange(skill=skill, question=question, answer=(where,), accepted=(), target=item.box, item=item.index)


def _covers(box: Box, item: Item) -> bool:
    """Whether more than a third of another item lies in a box: then the box does not mean one thing."""
    other = item.box
    width = min(box.x2, other.x2) - max(box.x1, other.x1)
    height = min(box.y2, other.y2) - max(box.y1, other.y1)
    return width > 0 and height > 0 and width * height > 0.35 * other.area
