"""Declining: questions about what is not there, or that no picture answers, and answers that say so.

    'what color is the blue ring?'       ->  'there is no blue ring in the picture.'
    'what time is it?'                   ->  'i cannot tell that from this picture.'

The same words as in questions that have an answer, so that only the picture can tell. Not here: which absent thing is
asked for (`asker.py`).
"""

from showtell.worlds import answers
from showtell.worlds.asker import Asker
from showtell.worlds.exchange import Exchange, said
from showtell.worlds.shapes import COLORS
from showtell.worlds.wording import Wording


def decline(asker: Asker) -> Exchange | None:
    """A question about what is not there, or that no picture answers."""
    dice = asker.dice
    if dice.chance(0.18):
        return outside(asker.wording)
    if not asker.words and dice.chance(0.12):
        question = asker.question("read", thing=dice.choice(("sign", "word")))
        return said("decline", question, answers.absent("text"))
    called = asker.absent(dice.choice(asker.things) if asker.things and dice.chance(0.7) else None)
    if called is None:
        return None
    way = dice.choice(("color", "refer", "refer", "point", "where"))
    if way == "color" and called.split()[0] in COLORS:
        way = "refer"
    if way != "where":
        return said("decline", asker.question(way, the=f"the {called}"), answers.absent(called))
    if (found := asker.described(asker.facts.items)) is None:
        return None
    return said("decline", asker.question("where", a=f"the {called}", b=found[1]), answers.absent(called))


def outside(wording: Wording) -> Exchange:
    """A question that no picture answers; none is looked at."""
    accepted = (answers.CANNOT_TELL, answers.CANNOT_TELL[:-1], "i cannot tell.")
    return said("decline", wording.question("outside"), accepted)
