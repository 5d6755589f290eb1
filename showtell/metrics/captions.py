"""Captions as facts: what a caption claims, how much of it is true, and how much of the truth it tells.

    "a dog and two red stars."  ->  (name dog) (count 1 dog) (name star) (color red star) (count 2 red star)

    precision = true claims / claims            recall = facts claimed / facts of the picture

This is SPICE's idea (Anderson et al. 2016) with a regular expression in place of a parser, which is enough for captions
of things with known names. A claim is `[number] [adjectives] name`. A singular noun claims one ("a dog", "dog"), and
mentions of the same thing add up ("a dog, a dog"); after "the" it claims no number, because it speaks of a thing again.
"three stars" is a true claim about one red and two blue stars, yet tells less than their colours would.
"no dogs" is a claim that none is there.

Not here: positions and the words on signs (the skills that ask for them have their own scores), synonyms, fluency.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from showtell.metrics.text import NUMBER_WORDS

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray", "grey")
ADJECTIVES = ("small", "large", "big", "little", "tiny", "huge")
ONE = frozenset(("a", "an", "some"))  # "some bread"
KNOWN_AGAIN = frozenset(("the", "this", "that", "these", "those", "its", "their"))

Fact = tuple[str, ...]  # ("name", "star"), ("color", "red star"), ("count", "2", "red star")


@runtime_checkable
class Thing(Protocol):
    """What an item of a picture must have; `showtell.worlds.facts.Item` does."""

    @property
    def name(self) -> str: ...

    @property
    def color(self) -> str | None: ...


@dataclass(frozen=True)
class CaptionScore:
    """Claims against truth.

    said: everything the caption claims.
    right: those claims that are true.
    truth: everything there was to tell.
    """

    said: frozenset[Fact]
    right: frozenset[Fact]
    truth: frozenset[Fact]

    @property
    def precision(self) -> float:
        """1 for a caption that claims nothing: it says nothing wrong, and its recall tells."""
        return len(self.right) / len(self.said) if self.said else 1.0

    @property
    def recall(self) -> float:
        """1 for a picture with nothing to tell."""
        return len(self.said & self.truth) / len(self.truth) if self.truth else 1.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def regular_plural(noun: str) -> str:
    """English spelling rules without exceptions."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search(r"[^aeiou]y$", noun) else f"{noun}s"


def caption_facts(
    caption: str,
    items: Sequence[Thing],
    *,
    names: Collection[str] = (),
    plural: Callable[[str], str] = regular_plural,
) -> CaptionScore:
    """Score a caption of a picture that holds `items`.

    Args:
        names: every name a caption might use. A thing that is neither here nor among `items` cannot be noticed, so
            precision is only as strict as this list is long: pass the whole vocabulary of the world.
        plural: how names form their plural; pass the world's own for mice and wolves.
    """
    known = {item.name for item in items} | set(names)
    said = frozenset(_claims(caption, known, plural))
    truth = frozenset(_truth(items))
    counts = _counts(items)
    true_counts = {("count", str(counts[called]), called) for kind, *_, called in said if kind == "count"}
    return CaptionScore(said, said & (truth | true_counts), truth)


def _counts(items: Sequence[Thing]) -> Counter[str]:
    """How many there are of 'star' and of 'red star'."""
    return Counter([item.name for item in items] + [f"{item.color} {item.name}" for item in items if item.color])


def _truth(items: Sequence[Thing]) -> Iterator[Fact]:
    counts = _counts(items)
    for item in items:
        called = f"{item.color} {item.name}" if item.color else item.name
        yield ("name", item.name)
        yield ("count", str(counts[called]), called)
        if item.color:
            yield ("color", called)


def _claims(caption: str, names: Collection[str], plural: Callable[[str], str]) -> Iterator[Fact]:
    numbers: Counter[str] = Counter()
    for number, color, name in _mentions(caption.lower(), names, plural):
        called = f"{color} {name}" if color else name
        if number == 0:
            yield ("count", "0", called)
            continue
        yield ("name", name)
        if color:
            yield ("color", called)
        if number is not None:
            numbers[called] += number
    for called, number in numbers.items():
        yield ("count", str(number), called)


def _mentions(
    caption: str, names: Collection[str], plural: Callable[[str], str]
) -> Iterator[tuple[int | None, str | None, str]]:
    """(number or None where none is claimed, colour, name) of each noun phrase."""
    if not names:
        return
    forms = {plural(name): (name, False) for name in names} | {name: (name, True) for name in names}
    nouns = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))  # "fire truck" before "truck"
    adjectives = "|".join((*COLORS, *ADJECTIVES))
    # Backtracking reads "an orange" as the fruit and "an orange star" as a star.
    pattern = rf"(?:\b(?P<first>\w+) )?(?P<adjectives>(?:\b(?:{adjectives}) )*)\b(?P<noun>{nouns})\b"
    for match in re.finditer(pattern, caption):
        name, singular = forms[match["noun"]]
        colors = [word for word in match["adjectives"].split() if word in COLORS]
        color = colors[-1].replace("grey", "gray") if colors else None
        yield _number(match["first"], singular), color, name


def _number(first: str | None, singular: bool) -> int | None:
    if first is not None and first.isdigit():
        return int(first)
    if first in NUMBER_WORDS:
        return NUMBER_WORDS[first]
    if first in KNOWN_AGAIN:
        return None
    return 1 if singular else None
