"""Minimal pairs in space: two pictures, or two questions, that differ in one thing and have opposite answers.

    relation   the question              variants of one group                                       the answer
    left       is the A left of the B?   base · places exchanged · question swapped · mirrored       yes no no no
                                         · in words that training never used                         yes
    count      how many As are there?    n and n + 1 of them, n from 1 to 12 (training has at most 8)

A model that leans on one answer, one word or one side gets half of the items right and none of the *groups*: a group
counts when every variant of it is right. Beside accuracy, `consistency` says how often an answer turned when it had to
(exchange, swap, mirror) and stayed when it had to (paraphrase), right or wrong. "Inside" and "between" are no words of
the pocket model's training; they are in the suite because a reader will ask. Viewpoint is not: the pictures are flat.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from showtell.evaluation.task import Card, Item, Task
from showtell.images.decode import Picture, decode
from showtell.metrics.intervals import cluster_bootstrap
from showtell.metrics.text import normalize_answer
from showtell.worlds.answers import number as number_words
from showtell.worlds.dice import Dice, keyed
from showtell.worlds.grammar import NUMBERS, plural
from showtell.worlds.shapes import TRAIN_PAIRS
from showtell.worlds.stage import SAFE_COLORS, SIDE, Prop, stage

if TYPE_CHECKING:
    from showtell.evaluation.running import Record

SEED = 2_000_003
SOLID = ("circle", "square", "triangle", "star", "heart", "cross", "hexagon", "diamond")
PHRASES: Mapping[str, tuple[str, str]] = {
    "left": ("is the {a} left of the {b}?", "tell me if the {a} is left of the {b}"),
    "right": ("is the {a} right of the {b}?", "tell me if the {a} is right of the {b}"),
    "above": ("is the {a} above the {b}?", "tell me if the {a} is above the {b}"),
    "below": ("is the {a} below the {b}?", "tell me if the {a} is below the {b}"),
    "inside": ("is the {a} inside the {b}?", "tell me if the {a} is inside the {b}"),
    "between": ("is the {a} between the {b} and the {c}?", "tell me if the {a} is between the {b} and the {c}"),
    "larger": ("is the {a} larger than the {b}?", "tell me if the {a} is larger than the {b}"),
}
MOST = 12


@dataclass(frozen=True)
class Variant:
    """One question of a group."""

    name: str
    props: tuple[Prop, ...]
    question: str
    answers: tuple[str, ...]
    mirrored: bool = False


def spatial_task(card: Card, groups: int, seed: int = 0) -> Task:
    """`groups` groups of each relation, and as many of counting."""
    items: list[Item] = []
    scenes: dict[str, tuple[int, Variant]] = {}
    for relation in (*PHRASES, "count"):
        for group in range(groups):
            for variant in variants(relation, group, seed):
                key = f"{relation} {group} {variant.name}"
                scenes[key] = (group, variant)
                skill = relation if relation != "count" else _range(variant)
                reference = {"answers": list(variant.answers), "group": f"{relation} {group}", "variant": variant.name}
                items.append(Item(id=key, picture=key, question=variant.question, reference=reference, skill=skill))

    @lru_cache(maxsize=64)
    def draw(key: str) -> Picture:
        group, variant = scenes[key]
        pixels, _ = stage(SEED + seed, group, variant.props)
        return decode(np.ascontiguousarray(pixels[:, ::-1]) if variant.mirrored else pixels)

    return Task(card, items, draw)


def _range(variant: Variant) -> str:
    n = len(variant.props)
    return "count 1-4" if n <= 4 else "count 5-8" if n <= 8 else "count 9-13, past training"


def variants(relation: str, group: int, seed: int) -> Iterator[Variant]:
    """The questions of one group, the base first."""
    dice = keyed(SEED + seed, group, stream=hash_of(relation))
    if relation == "count":
        yield from _counting(dice, group)
        return
    a, b, c = dice.shuffled(SOLID)[:3]
    b = "ring" if relation == "inside" else b
    base, exchanged = _places(relation, a, b, c, dice)
    ask, paraphrase = (phrase.format(a=a, b=b, c=c) for phrase in PHRASES[relation])
    swapped = PHRASES[relation][0].format(a=b, b=a, c=c)
    turns = relation in ("left", "right")
    yield Variant("base", base, ask, ("yes",))
    yield Variant("exchanged", exchanged, ask, ("no",))
    yield Variant("swapped", base, swapped, ("no",))
    yield Variant("mirrored", base, ask, ("no",) if turns else ("yes",), mirrored=True)
    yield Variant("paraphrased", base, paraphrase, ("yes",))


def hash_of(relation: str) -> int:
    """A number for a relation that is the same in every process."""
    return 1000 + (*PHRASES, "count").index(relation)


def _places(relation: str, a: str, b: str, c: str, dice: Dice) -> tuple[tuple[Prop, ...], tuple[Prop, ...]]:
    """The picture of which the relation holds, and the one with the two things exchanged."""
    colors = [_color(shape, dice) for shape in (a, b, c)]
    if relation == "larger":
        near, far = (25.0, dice.between(30, 66)), (70.0, dice.between(30, 66))
        if dice.chance(0.5):
            near, far = far, near
        large, small = dice.between(34, 40), dice.between(15, 19)
        base = (Prop(a, colors[0], large, *near, 0), Prop(b, colors[1], small, *far, 1))
        return base, (Prop(a, colors[0], small, *near, 0), Prop(b, colors[1], large, *far, 1))
    if relation == "inside":
        ring, other = (32.0, dice.between(34, 62)), (80.0, dice.between(20, 76))
        hoop = Prop(b, colors[1], 54, *ring, 1)
        return (hoop, Prop(a, colors[0], 17, *ring, 0)), (hoop, Prop(a, colors[0], 17, *other, 0))
    side = dice.between(18, 23)
    if relation == "between":
        y = dice.between(24, 72)
        row = zip((b, a, c), (colors[1], colors[0], colors[2]), (16, 48, 80), strict=True)
        first, middle, last = (Prop(s, k, side, x, y + dice.between(-4, 4), i) for i, (s, k, x) in enumerate(row))
        moved = Prop(middle.shape, middle.color, side, first.x, middle.y, middle.look)
        return (first, middle, last), (Prop(first.shape, first.color, side, middle.x, first.y, first.look), moved, last)
    low, high, across = dice.between(18, 30), dice.between(66, 78), dice.between(26, 70)
    shift = dice.between(-10, 10)
    places = [(low, across), (high, across + shift)]
    if relation in ("above", "below"):
        places = [(y, x) for x, y in places]
    one, two = places if relation in ("left", "above") else places[::-1]
    base = (Prop(a, colors[0], side, *one, 0), Prop(b, colors[1], side, *two, 1))
    return base, (Prop(a, colors[0], side, *two, 0), Prop(b, colors[1], side, *one, 1))


def _color(shape: str, dice: Dice) -> str:
    """A colour that training shows this shape in."""
    return dice.choice([color for color, name in TRAIN_PAIRS if name == shape and color in SAFE_COLORS])


def _counting(dice: Dice, group: int) -> Iterator[Variant]:
    """n things on a jittered grid, and one more."""
    n = 1 + group % MOST
    shape = dice.choice(SOLID)
    color = _color(shape, dice)
    cells = dice.shuffled([(x, y) for x in range(4) for y in range(4)])
    step = SIDE / 4
    props = [
        Prop(shape, color, 16, step * (x + 0.5) + dice.between(-2, 2), step * (y + 0.5) + dice.between(-2, 2), look)
        for look, (x, y) in enumerate(cells[: n + 1])
    ]
    question = f"how many {plural(shape)} are there?"
    yield Variant("base", tuple(props[:n]), question, _number(n))
    yield Variant("one more", tuple(props), question, _number(n + 1))
    yield Variant("mirrored", tuple(props[:n]), question, _number(n), mirrored=True)
    yield Variant("paraphrased", tuple(props[:n]), f"give the number of {plural(shape)}", _number(n))


def _number(n: int) -> tuple[str, ...]:
    return number_words(n) if n < len(NUMBERS) else (str(n),)


def consistency(records: Sequence["Record"]) -> dict[str, Any]:
    """Per relation: share of whole groups that are right, and how often an answer turned or stayed as it had to."""
    groups: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in records:
        if "group" in record.item.reference:
            groups[record.item.reference["group"]][record.item.reference["variant"]] = record
    by_relation: dict[str, list[dict[str, Record]]] = defaultdict(list)
    for name, group in groups.items():
        by_relation[name.split(" ")[0]].append(group)
    found = {}
    for relation, some in by_relation.items():
        variants_of = max(some, key=len).keys()
        whole = [group for group in some if group.keys() == variants_of]  # `--limit` may cut the last one
        if "base" in variants_of:
            found[relation] = _consistency(whole)
    return found


def _consistency(groups: Sequence[dict[str, "Record"]]) -> dict[str, Any]:
    numbers = list(range(len(groups)))
    whole = [float(all(record.scores["clean"] == 1 for record in group.values())) for group in groups]
    found: dict[str, Any] = {"groups": len(groups), "all_right": asdict(cluster_bootstrap(whole, numbers, seed=0))}
    for name in groups[0]:
        if name != "base":
            kept = [float(_as_it_should(group["base"], group[name])) for group in groups]
            found[name] = asdict(cluster_bootstrap(kept, numbers, seed=0))
    return found


def _as_it_should(base: "Record", other: "Record") -> bool:
    """Whether two answers differ exactly where their truths do."""
    same_truth = base.item.reference["answers"] == other.item.reference["answers"]
    return same_truth == (normalize_answer(base.reply.said.text) == normalize_answer(other.reply.said.text))
