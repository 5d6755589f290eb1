"""Does it see what is not there? Polling questions with three ways of choosing what is absent (Li et al. 2023, POPE).

    present        what is in the picture                                  truth "yes"
    random         any name of the set that is not                         truth "no"
    popular        the most frequent names of the set that are not         "no": frequency alone says yes
    adversarial    the names that most often stand beside what is          "no": company alone says yes

Each picture gets as many absent as present things, so that always saying yes scores one half. Attributes are polled
in the same way: "is the star red?" with another colour that is random, popular in the set, or, adversarial, the colour
of something else in this picture. Labels come from anywhere: facts of made-up scenes, or an annotation file in COCO's
layout. Not here: scoring (`metrics/yes_no.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from showtell.core.errors import DataError
from showtell.grounding.exchange import Picture
from showtell.worlds.grammar import article, is_plural

Kind = Literal["random", "popular", "adversarial"]
KINDS: tuple[Kind, ...] = ("random", "popular", "adversarial")
EACH = 3  # things that are there, and as many that are not


@dataclass(frozen=True)
class Labelled:
    """What is known of one picture.

    picture: what to call it.
    names: what is in it, each once.
    colors: colours of those names of which every instance has a known one.
    """

    picture: str
    names: tuple[str, ...]
    colors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """One question to answer with yes or no."""

    picture: str
    question: str
    answer: Literal["yes", "no"]
    kind: Kind
    about: Literal["object", "attribute"]


def from_coco(pictures: Sequence[Picture]) -> list[Labelled]:
    """Labels of an annotation file (`grounding/exchange.py` reads it)."""
    return [Labelled(one.file, tuple(dict.fromkeys(region.label for region in one.regions))) for one in pictures]


def probes(labelled: Sequence[Labelled], kind: Kind, seed: int = 0, each: int = EACH) -> list[Probe]:
    """Questions about every picture, present and absent in equal numbers.

    Raises DataError where no picture has a label.
    """
    frequency = Counter(name for one in labelled for name in one.names)
    if not frequency:
        raise DataError("no picture has a label; nothing can be asked about")
    beside = _beside(labelled)
    palette = Counter(color for one in labelled for some in one.colors.values() for color in some)
    found: list[Probe] = []
    for number, one in enumerate(labelled):
        rng = np.random.default_rng((seed, number))
        absent = [name for name in frequency if name not in one.names]
        ranked = _ranked(
            absent, kind, frequency, Counter({n: sum(beside[n][p] for p in one.names) for n in absent}), rng
        )
        present = list(rng.permutation(list(one.names)))[: min(each, len(ranked))]
        for name in present:
            found.append(Probe(one.picture, _is_there(str(name)), "yes", kind, "object"))
        for name in ranked[: len(present)]:
            found.append(Probe(one.picture, _is_there(name), "no", kind, "object"))
        found += _attributes(one, kind, palette, rng, each)
    return found


def _beside(labelled: Sequence[Labelled]) -> dict[str, Counter[str]]:
    """How often two names stand in one picture."""
    beside: dict[str, Counter[str]] = {}
    for one in labelled:
        for name in one.names:
            beside.setdefault(name, Counter()).update(other for other in one.names if other != name)
    return beside


def _ranked(
    absent: Sequence[str], kind: Kind, frequency: Counter[str], company: Counter[str], rng: np.random.Generator
) -> list[str]:
    """Absent names, the first choice first; ties in random order."""
    shuffled = [str(name) for name in rng.permutation(list(absent))] if absent else []
    if kind == "popular":
        return sorted(shuffled, key=lambda name: -frequency[name])
    if kind == "adversarial":
        return sorted(shuffled, key=lambda name: -company[name])
    return shuffled


def _attributes(one: Labelled, kind: Kind, palette: Counter[str], rng: np.random.Generator, each: int) -> list[Probe]:
    found: list[Probe] = []
    named = [(name, colors) for name, colors in one.colors.items() if len(set(colors)) == 1]
    here = Counter(color for _, colors in one.colors.items() for color in colors)
    for name, (color, *_) in named[:each]:
        others = [other for other in palette if other != color]
        wrong = _ranked(others, kind, palette, here, rng)
        if wrong:
            found.append(Probe(one.picture, _has_color(name, color), "yes", kind, "attribute"))
            found.append(Probe(one.picture, _has_color(name, wrong[0]), "no", kind, "attribute"))
    return found


def _is_there(name: str) -> str:
    return f"are there {article(name)}?" if is_plural(name) else f"is there {article(name)}?"


def _has_color(name: str, color: str) -> str:
    return f"is there {article(f'{color} {name}')}?"
