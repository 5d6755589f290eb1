"""Duets: one or two coloured shapes on a plain ground, with captions, their twins and their swaps.

    dice -> Duet(things, ground, relation) --draw(side)--> pixels
                                           --caption------> "a red circle left of a blue square"
                                           --twin---------> the duet whose caption has the same words in another order

The smallest world in which *order* matters: the twin of a duet holds the same colours, the same shapes and the same
relation, and is another picture. A duet is a few numbers, so that it can be drawn at any size: small for a model, large
for a reader. Every fifth pair of colour and shape is never drawn in training (`shapes.held_out_pair`). Not here: the
large world (`scene.py`), which model looks (`contrastive/duets.py`).
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from showtell.worlds.dice import Dice
from showtell.worlds.facts import OPPOSITE
from showtell.worlds.shapes import held_out_pair, shade, signed_distance

COLORS = ("red", "yellow", "green", "blue", "purple", "black")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
RELATIONS = tuple(OPPOSITE)
TEMPLATES = ("{}", "a picture of {}", "a drawing of {}", "there is {}", "one picture of {}")
WORDS = tuple("a picture drawing of there is one something and no not left right above below".split())
VOCABULARY = (*WORDS, *COLORS, *SHAPES)
PAPER = (233.0, 229.0, 220.0)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A shape.

    x, y: its middle, in shares of the picture's side.
    size: its radius, likewise.
    tone: where inside the colour word's region its shade lies, three numbers in 0..1.
    rgb: its colour outright, 0..255, whatever the colour word says; None = by word and tone.
    """

    color: str
    shape: str
    x: float
    y: float
    size: float = 0.17
    tone: tuple[float, float, float] = (0.5, 0.5, 0.5)
    rgb: tuple[float, float, float] | None = None

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"


@dataclass(frozen=True, kw_only=True)
class Duet:
    """One thing, or two of which the first stands `relation` the second."""

    things: tuple[Thing, ...]
    relation: str | None = None
    ground: tuple[float, float, float] = PAPER


def draw(duet: Duet, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The picture at `side` pixels."""
    canvas = np.tile(np.array(duet.ground, dtype=np.float32), (side, side, 1))
    for thing in duet.things:
        distance = signed_distance(thing.shape, thing.size * side, 1.0, 0.0, (thing.x * side, thing.y * side), side)
        alpha = np.clip(0.5 - distance, 0, 1)[..., None]
        ink = thing.rgb or shade(thing.color, *thing.tone)
        canvas += alpha * (np.array(ink, dtype=np.float32) - canvas)
    return np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)


def place(first: tuple[str, str], relation: str, second: tuple[str, str]) -> Duet:
    """Two things, (colour, shape) each, in plain places."""
    near, far = (0.27, 0.5), (0.73, 0.5)
    if relation in ("above", "below"):
        near, far = near[::-1], far[::-1]
    if relation in ("right of", "below"):
        near, far = far, near
    things = [
        Thing(color=color, shape=shape, x=x, y=y)
        for (color, shape), (x, y) in zip((first, second), (near, far), strict=True)
    ]
    return Duet(things=tuple(things), relation=relation)


def sample(dice: Dice, pairs: float = 0.6, held_out: bool = False) -> Duet:
    """A duet by chance.

    Args:
        pairs: share of pictures with two things.
        held_out: draw only pairs of colour and shape that training never draws, instead of never one of them.
    """
    light = dice.between(195, 245)
    ground = (light, light * dice.between(0.94, 1.03), light * dice.between(0.88, 1.0))
    if not dice.chance(pairs):
        kind = _kind(dice, held_out)
        return Duet(things=(_thing(kind, dice.between(0.2, 0.8), dice.between(0.2, 0.8), dice),), ground=ground)
    relation = dice.choice(RELATIONS)
    near, far = dice.between(0.2, 0.33), dice.between(0.67, 0.8)
    cross = dice.between(0.25, 0.75)
    places = [(at, cross + dice.between(-0.06, 0.06)) for at in (near, far)]
    if relation in ("above", "below"):
        places = [(y, x) for x, y in places]
    if relation in ("right of", "below"):
        places.reverse()
    first, second = _kind(dice, held_out), _kind(dice, held_out)
    while second[0] == first[0] or second[1] == first[1]:  # so that every duet has a twin
        second = _kind(dice, held_out)
    things = [_thing(kind, x, y, dice) for kind, (x, y) in zip((first, second), places, strict=True)]
    return Duet(things=tuple(things), relation=relation, ground=ground)


def _kind(dice: Dice, held_out: bool) -> tuple[str, str]:
    while True:
        color, shape = dice.choice(COLORS), dice.choice(SHAPES)
        if held_out_pair(color, shape) == held_out:
            return color, shape


def _thing(kind: tuple[str, str], x: float, y: float, dice: Dice) -> Thing:
    tone = (dice.next(), dice.next(), dice.next())
    return Thing(color=kind[0], shape=kind[1], x=x, y=y, size=dice.between(0.13, 0.19), tone=tone)


def twin(duet: Duet, dice: Dice) -> Duet:
    """The same words, another picture: colours exchanged, or places. A single thing is its own twin."""
    if duet.relation is None:
        return duet
    first, second = duet.things
    mixed = (second.color, first.shape), (first.color, second.shape)
    if dice.chance(0.5) and not any(held_out_pair(*kind) for kind in mixed):
        things = replace(first, color=second.color), replace(second, color=first.color)
    else:
        things = replace(first, x=second.x, y=second.y), replace(second, x=first.x, y=first.y)
        return Duet(things=(things[1], things[0]), relation=duet.relation, ground=duet.ground)
    return replace(duet, things=things)


def caption(duet: Duet, dice: Dice) -> str:
    """A sentence that is true of the duet."""
    template = dice.choice(TEMPLATES) if dice.chance(0.4) else TEMPLATES[0]
    return template.format(_one(duet.things[0], dice) if duet.relation is None else _two(duet, dice))


def plain(duet: Duet) -> str:
    """The caption that says everything and nothing else."""
    return _related(duet) if duet.relation else f"a {duet.things[0].name}"


def _one(thing: Thing, dice: Dice) -> str:
    how = dice.next()
    if how < 0.15:
        return f"a {thing.shape}"
    if how < 0.3:
        return f"something {thing.color}"
    if how < 0.38:
        absent = dice.choice([shape for shape in SHAPES if shape != thing.shape])
        return f"a {thing.name} and no {absent}"
    return f"a {thing.name}"


def _two(duet: Duet, dice: Dice) -> str:
    first, second = duet.things
    how = dice.next()
    if how < 0.15:
        return f"a {first.name} and a {second.name}"
    if how < 0.55 and duet.relation:
        return _related(Duet(things=(second, first), relation=OPPOSITE[duet.relation]))
    return _related(duet)


def _related(duet: Duet) -> str:
    first, second = duet.things
    return f"a {first.name} {duet.relation} a {second.name}"
