"""Language: questions about a picture and their answers, all computed from its facts.

    Facts --exchanges(facts, rng)--> [Exchange(skill, question, answer, accepted, target, item), ...]

    language    which skills, how often          skills_*    one question of a skill, and its answer
    asker       what is there, what is not       wording     a question in words        phrases    the words

One picture gives a varied handful of exchanges, drawn so that an answer cannot be guessed without looking: yes and no
are equally likely and differ in one word of the question; counts are evened out; one question in ten is about something
that is not there, and its answer says so. Not here: what an exchange is (`exchange.py`), sentences about a whole
picture (`answers.py`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from showtell.core.errors import ConfigError
from showtell.worlds import skills_attributes, skills_declining, skills_describing, skills_places, skills_relations
from showtell.worlds.asker import Asker
from showtell.worlds.dice import Dice
from showtell.worlds.exchange import Exchange
from showtell.worlds.facts import Facts
from showtell.worlds.wording import Wording

__all__ = ("SKILLS", "Exchange", "Skill", "exchanges", "outside")


class Skill(NamedTuple):
    """A kind of question, and how often it is asked."""

    ask: Callable[[Asker], Exchange | None]
    """Asks one such question; None when the picture does not allow it."""
    weight: float
    """How often it is drawn, relative to the others."""
    most: int
    """At most so many of one picture."""


SKILLS: dict[str, Skill] = {
    "caption": Skill(skills_describing.caption, 1.1, 1),
    "list": Skill(skills_describing.listing, 1.2, 1),
    "dense": Skill(skills_describing.dense, 1.0, 1),
    "name": Skill(skills_places.name, 1.1, 2),
    "color": Skill(skills_attributes.color, 1.2, 2),
    "count": Skill(skills_attributes.count, 1.5, 2),
    "exists": Skill(skills_attributes.exists, 1.5, 3),
    "relation": Skill(skills_relations.relation, 2.4, 3),
    "compare": Skill(skills_relations.compare, 1.3, 2),
    "refer": Skill(skills_places.refer, 1.3, 2),
    "region": Skill(skills_places.region, 0.9, 2),
    "point": Skill(skills_places.point, 0.7, 2),
    "read": Skill(skills_describing.read, 4.0, 1),
    "decline": Skill(skills_declining.decline, 1.1, 2),
}


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
    asker = Asker(facts, Dice(rng), phrasings)
    left = {skill: SKILLS[skill].most if len(chosen) > 1 else most for skill in chosen}
    found: list[Exchange] = []
    seen = set()
    for _ in range(3 * most):
        open_skills = [(skill, SKILLS[skill].weight) for skill in chosen if left[skill]]
        if len(found) == most or not open_skills:
            break
        skill = asker.dice.weighted(open_skills)
        exchange = SKILLS[skill].ask(asker)
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
    return skills_declining.outside(Wording(Dice(rng, block=8), phrasings))
