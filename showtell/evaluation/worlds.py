"""Tasks that need no download: pictures made up on the spot, with the facts that say what is right.

    worlds            every held-out split, all skills            worlds:composition     one split
    hallucination     "is there a ...?" about things that are there and things that are not, in three ways of asking
    spatial           minimal pairs of relations, counts, flips, swaps and paraphrases

A picture is its place in the sequence of its world ("composition 12"), and is drawn again when it is needed. Not here:
the pictures and questions themselves (`worlds/`, `grounding/hallucination.py`, `grounding/spatial.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from showtell.data.sample import sample_rng
from showtell.evaluation.scoring import Said
from showtell.evaluation.task import Card, Item, Task
from showtell.grounding.hallucination import KINDS, Labelled, probes
from showtell.images.decode import Picture, decode
from showtell.instruct.evaluate import HELD_OUT_SEED, SPLITS, held_out_world, right
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange, exchanges
from showtell.worlds.scene import Scene

EACH = 8
MANY = 24  # pictures kept


@dataclass(frozen=True)
class Judge:
    """Says how right an answer is, by the facts of the picture; two judges of the same question are the same text."""

    exchange: Exchange
    facts: Facts = field(repr=False)

    def __call__(self, said: Said) -> float:
        return right(self.exchange, self.facts, said.text, said.boxes, said.points)

    def __str__(self) -> str:
        return f"{self.exchange.skill}: {self.exchange.accepted or self.exchange.target or self.exchange.answer}"


def split_task(card: Card, split: str, pictures: int, world: dict[str, Any], seed: int = 0) -> Task:
    """All questions about the first pictures of a held-out split."""
    scene = held_out_world(world, split)
    phrasings = "heldout" if split == "phrasing" else "train"
    items: list[Item] = []
    for number in range(pictures):
        _, facts = scene.sample(HELD_OUT_SEED + seed, number)
        rng = sample_rng(HELD_OUT_SEED + seed, number)
        for place, exchange in enumerate(exchanges(facts, rng, phrasings=phrasings, most=EACH)):
            reference: dict[str, Any] = {"score": Judge(exchange, facts)}
            reference |= {"answers": list(exchange.accepted)} if exchange.accepted else {"place": exchange.target}
            items.append(
                Item(
                    id=f"{split}-{number}-{place}",
                    picture=f"{split} {number}",
                    question=exchange.question,
                    reference=reference,
                    skill=exchange.skill,
                )
            )
    return Task(card, items, opener(scene, seed))


def all_splits(card: Card, pictures: int, world: dict[str, Any], seed: int = 0) -> Task:
    """Every split of `instruct/evaluate.py`; the skill of an item is named with its split."""
    tasks = {split: split_task(card, split, pictures, world, seed) for split in SPLITS}
    items = [
        Item(id=i.id, picture=i.picture, question=i.question, reference=i.reference, skill=f"{split} {i.skill}")
        for split, task in tasks.items()
        for i in task.items
    ]
    return Task(card, items, lambda key: tasks[key.split(" ")[0]].open(key))


def opener(scene: Scene, seed: int) -> Callable[[str], Picture]:
    """From the number at the end of a key to the picture."""

    @lru_cache(maxsize=MANY)
    def draw(key: str) -> Picture:
        return decode(scene.sample(HELD_OUT_SEED + seed, int(key.rpartition(" ")[2]))[0])

    return draw


def hallucination_task(card: Card, pictures: int, world: dict[str, Any], seed: int = 0, split: str = "val") -> Task:
    """Objects and attributes, by three ways of choosing what is not there."""
    scene = held_out_world(world, split)
    labelled = [
        labels(scene.sample(HELD_OUT_SEED + seed, number)[1], f"{split} {number}") for number in range(pictures)
    ]
    items = [
        Item(
            id=f"{probe.picture}-{probe.kind}-{probe.about}-{place}",
            picture=probe.picture,
            question=probe.question,
            reference={"answer": probe.answer},
            skill=f"{probe.about} {probe.kind}",
        )
        for kind in KINDS
        for place, probe in enumerate(probes(labelled, kind, seed))
    ]
    return Task(card, items, opener(scene, seed))


def labels(facts: Facts, key: str) -> Labelled:
    """What stands in a made-up picture: names, and the colours that each name has."""
    things = [item for item in facts.items if item.kind != "word"]
    colours: dict[str, list[str]] = {}
    for item in things:
        if item.color:
            colours.setdefault(item.name, []).append(item.color)
    plain = {name: tuple(some) for name, some in colours.items() if len(some) == sum(i.name == name for i in things)}
    return Labelled(key, tuple(dict.fromkeys(item.name for item in things)), plain)
