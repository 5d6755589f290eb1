"""Describing skills: everything that is in the picture, and what is written in it.

    caption   'describe the picture'                    one sentence
    list      'name everything from left to right'      the names
    dense     'detect all objects'                      the names, each with its box
    read      'what does the sign say?'                 the letters, in capitals

Each takes the `Asker` of a picture and gives None when the picture does not allow it. Not here: the sentences
(`answers.py`).
"""

from showtell.worlds import answers
from showtell.worlds.asker import Asker
from showtell.worlds.exchange import Exchange, said


def caption(asker: Asker) -> Exchange | None:
    """One sentence about everything."""
    return said("caption", asker.question("caption"), (answers.caption(asker.facts),))


def listing(asker: Asker) -> Exchange | None:
    """The names of everything, from left to right."""
    return said("list", asker.question("list"), (answers.listing(asker.facts),))


def dense(asker: Asker) -> Exchange | None:
    """The names of everything with their boxes, where that is not too long an answer."""
    if len(asker.facts.items) > 6:
        return None
    answer = answers.dense(asker.facts)
    accepted = (answers.NOTHING,) if answer == (answers.NOTHING,) else ()
    return Exchange(skill="dense", question=asker.question("dense"), answer=answer, accepted=accepted)


def read(asker: Asker) -> Exchange | None:
    """What a word or a sign says."""
    if not asker.words:
        return None
    word = asker.dice.choice(asker.words)
    text = str(word.text)
    return said("read", asker.question("read", thing=word.name), (text, text.lower()), word)
