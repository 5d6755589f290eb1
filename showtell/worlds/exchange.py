"""Exchange: one question about a picture, its answer, and what the answer rests on.

    question  ('where is ', 'the red star', '?')      answer  (Box(...),)      target  Box(...)
              ('what is at ', Point(...), '?')                ('dog',)

A question or an answer is a tuple of parts, strings and places (`Box`, `Point`); joined as they stand, with places
written as location tokens, they are the text. All text is lower case, except words read from the picture. Not here:
which questions a picture allows (`skills_*.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from showtell.core.geometry import Box, Point
from showtell.worlds.answers import Part
from showtell.worlds.facts import Item


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question and its answer."""

    skill: str
    """One of `language.SKILLS`."""
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


def said(
    skill: str,
    question: tuple[Part, ...],
    accepted: Iterable[str],
    item: Item | None = None,
    evidence: Sequence[Item] | None = None,
    target: int | None = None,
) -> Exchange:
    """An answer in words; without other evidence it rests on the item it is about."""
    accepted = tuple(dict.fromkeys(accepted))
    rests_on = [item] if evidence is None and item is not None else evidence or ()
    return Exchange(
        skill=skill,
        question=question,
        answer=(accepted[0],),
        accepted=accepted,
        target=target,
        item=None if item is None else item.index,
        evidence=tuple(seen.index for seen in rests_on),
    )


def yes_or_no(
    skill: str,
    question: tuple[Part, ...],
    yes: bool,
    item: Item | None = None,
    evidence: Sequence[Item] | None = None,
) -> Exchange:
    """Yes or no, and nothing else."""
    return said(skill, question, ("yes",) if yes else ("no",), item, evidence)
