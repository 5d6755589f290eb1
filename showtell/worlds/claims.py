"""Claims: what a free text says about a made-up picture, held against its facts.

    "Two red stars lie left of the dog."  ->  object star   count 2 red stars   color red   relation left of
    each claim is true, false (the facts deny it), or cannot be told (None: nearly diagonal, a colour nobody wrote down)

Only plain assertions are read: names that this world can draw, colour words, numbers before them, one relation between
two neighbouring phrases. A clause with "not" or "without" claims nothing here; "no dogs" claims that there are none. A
text that says nothing checkable has no claims, which is no praise. Not here: who wrote it (`instruct/teacher.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from showtell.worlds.facts import Facts, Item, count, holds, select
from showtell.worlds.grammar import NUMBERS, plural
from showtell.worlds.shapes import COLORS

ClaimKind = Literal["object", "count", "color", "relation"]
HEDGED = re.compile(r"\b(not|without|neither|nor|absent|missing|if|whether|instead)\b|n't\b")
ADJECTIVES = "small|large|big|tiny|bright|dark|light|single|simple|plain|larger|smaller|only|other"
DIRECTIONS = {
    "left of": "left of", "right of": "right of", "above": "above", "over": "above",
    "below": "below", "under": "below", "underneath": "below", "beneath": "below",
}  # fmt: skip
LINKS = (
    "is|are|sits|sit|lies|lie|stands|stand|located|positioned|placed|appears|appear|seen|just|directly|slightly|further|"
    "to|the|on|immediately|which|that|side"
)
BETWEEN = re.compile(rf"^[\s,]*(?:(?:{LINKS})[\s,]+)*({'|'.join(DIRECTIONS)})\s+(?:the|a|an)?\s*$")


@dataclass(frozen=True)
class Claim:
    """One assertion; `holds` is None where the facts cannot tell."""

    kind: ClaimKind
    said: str
    holds: bool | None


@dataclass(frozen=True)
class Phrase:
    """A thing as it is mentioned: where in the clause, how many, of what colour, by what name."""

    start: int
    end: int
    number: int | None
    color: str | None
    name: str


def claims(text: str, facts: Facts) -> list[Claim]:
    """Every claim of a text that can be read, in order."""
    names = {*facts.names, *(item.name for item in facts.items)}
    mention = mention_of(names)
    forms = {form: name for name in names for form in (name, plural(name))}
    found: list[Claim] = []
    for clause in re.split(r"[.!?;:\n]|, (?:and|but|while) ", text.lower()):
        if HEDGED.search(clause):
            continue
        phrases = [phrase_of(match, forms) for match in mention.finditer(clause)]
        for place, phrase in enumerate(phrases):
            found.extend(about_one(phrase, clause, facts))
            if place:
                found.extend(about_two(phrases[place - 1], phrase, clause, facts))
    return found


def mention_of(names: set[str]) -> re.Pattern[str]:
    """Matches a number, an adjective, a colour, each if it is there, and a name in the singular or plural."""
    forms = sorted({form for name in names for form in (name, plural(name))}, key=len, reverse=True)
    numbers = "|".join(("no", *NUMBERS, r"\d+"))
    return re.compile(
        rf"\b(?:(?P<number>{numbers})\s+)?(?:(?:{ADJECTIVES})\s+)?(?:(?P<color>{'|'.join(COLORS)})\s+)?"
        rf"(?P<name>{'|'.join(map(re.escape, forms))})\b"
    )


def phrase_of(match: re.Match[str], forms: dict[str, str]) -> Phrase:
    word = match["number"]
    number = None if word is None else 0 if word == "no" else NUMBERS.index(word) if word in NUMBERS else int(word)
    return Phrase(match.start(), match.end(), number, match["color"], forms[match["name"]])


def about_one(phrase: Phrase, clause: str, facts: Facts) -> Iterator[Claim]:
    """That it is there, how many there are, what colour they have."""
    said, there = clause[phrase.start : phrase.end], select(facts, phrase.name)
    if phrase.number != 0:
        yield Claim("object", said, bool(there))
    unknown = any(item.color is None for item in there)
    if phrase.number is not None:
        counted = count(facts, phrase.name, phrase.color)
        yield Claim("count", said, None if phrase.color and unknown else counted == phrase.number)
    after = re.match(rf"\s+(?:is|are)\s+(?:all\s+|both\s+)?({'|'.join(COLORS)})\b", clause[phrase.end :])
    for color in (phrase.color, after[1] if after else None):
        if color and there and phrase.number != 0:
            yield Claim("color", f"{said} {color}" if color != phrase.color else said, has_color(there, color))


def has_color(items: Sequence[Item], color: str) -> bool | None:
    """Whether one of them has it; None when those that could have no colour on record."""
    if any(item.color == color for item in items):
        return True
    return None if any(item.color is None for item in items) else False


def about_two(first: Phrase, second: Phrase, clause: str, facts: Facts) -> Iterator[Claim]:
    """Where the first lies from the second, if the words between them say so."""
    between = BETWEEN.match(clause[first.end : second.start])
    pairs = [
        (a, b)
        for a in select(facts, first.name, first.color)
        for b in select(facts, second.name, second.color)
        if a is not b
    ]
    if between is None or not pairs:
        return
    verdicts = [holds(a, DIRECTIONS[between[1]], b) for a, b in pairs]
    verdict = True if True in verdicts else None if None in verdicts else False
    yield Claim("relation", clause[first.start : second.end], verdict)
