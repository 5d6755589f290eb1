"""Scores of a model on made-up pictures it was never trained on, skill by skill, with intervals.

split        what is new to the model
val          the pictures only (another seed)
composition  pairs of colour and shape         instance   the cut-outs
background   photographs and patterns          word, font words to read, a typeface
phrasing     the wording of the questions

skill                     right when                                            interval
refer                     IoU of the box with the truth >= 0.5 (Acc@0.5)        Wilson
point                     the point lies on a visible pixel of the thing        Wilson
caption, list, dense      F1 of the (colour, name, count) facts said            bootstrap of the mean
everything else           the words are one of the accepted answers             Wilson
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from showtell.core.config import from_dict
from showtell.core.errors import ConfigError
from showtell.core.geometry import Box, Point
from showtell.data.sample import sample_rng
from showtell.images.decode import decode
from showtell.instruct import asking
from showtell.instruct.answer import Answer
from showtell.instruct.assistant import Assistant
from showtell.metrics.boxes import box_hit
from showtell.metrics.captions import caption_facts
from showtell.metrics.intervals import bootstrap_mean, wilson
from showtell.metrics.text import exact_match
from showtell.worlds.cutouts import load_pack
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange, exchanges
from showtell.worlds.phrases import plural
from showtell.worlds.scene import Scene, SceneConfig

SPLITS = ("val", "composition", "instance", "style", "background", "word", "font", "phrasing")
HELD_OUT_SEED = 1_000_003  # training seeds are small numbers
CHUNK = 16
DESCRIPTIONS = ("caption", "list", "dense")


@dataclass(frozen=True)
class Scored:
    """One question, what was answered, and how right it was (0..1)."""

    exchange: Exchange
    facts: Facts
    answer: Answer
    score: float


def evaluate(
    assistant: Assistant,
    splits: Sequence[str] | None = None,
    pictures: int = 200,
    seed: int = 0,
    on_question: Callable[[str], None] = lambda split: None,
) -> dict[str, Any]:
    """`{"splits": {split: {skill: {"value", "low", "high", "n"}}}, "pictures", "seed"}`.

    Args:
        on_question: told the split after each question, for a progress display.
    """
    unknown = [split for split in splits or () if split not in SPLITS]
    if unknown:
        raise ConfigError(f"split {unknown[0]!r} is unknown; choose from {', '.join(SPLITS)}")
    scores: dict[str, Any] = {}
    for split in splits or SPLITS:
        by_skill = defaultdict(list)
        for scored in run(assistant, split, pictures, seed):
            by_skill[scored.exchange.skill].append(scored.score)
            on_question(split)
        scores[split] = {skill: summary(skill, values) for skill, values in sorted(by_skill.items())}
    return {"splits": scores, "pictures": pictures, "seed": seed}


def summary(skill: str, values: Sequence[float]) -> dict[str, float]:
    """Mean with its 95 % interval."""
    interval = bootstrap_mean(values, seed=0) if skill in DESCRIPTIONS else wilson(round(sum(values)), len(values))
    return {"value": sum(values) / len(values), "low": interval.low, "high": interval.high, "n": len(values)}


def run(assistant: Assistant, split: str, pictures: int, seed: int, most: int = 8) -> Iterator[Scored]:
    """Ask up to `most` questions about each picture of a split."""
    scene = held_out_scene(assistant, split)
    phrasings = "heldout" if split == "phrasing" else "train"
    for first in range(0, pictures, CHUNK):
        positions = range(first, min(first + CHUNK, pictures))
        drawn = [scene.sample(HELD_OUT_SEED + seed, position) for position in positions]
        asked = [
            exchanges(facts, sample_rng(HELD_OUT_SEED + seed, position), phrasings=phrasings, most=most)
            for position, (_, facts) in zip(positions, drawn, strict=True)
        ]
        yield from ask_all(assistant, drawn, asked)


def held_out_scene(assistant: Assistant, split: str) -> Scene:
    """The world of a split, as the model was trained on it: that decides what it can be asked."""
    return held_out_world(assistant.card.get("world", {}), split)


def held_out_world(world: dict[str, Any], split: str) -> Scene:
    """The world of a split, `world` being what the card of a model says of its own."""
    return Scene(from_dict(SceneConfig, {**world, "split": "val" if split == "phrasing" else split}), load_pack())


def ask_all(
    assistant: Assistant, drawn: Sequence[tuple[Any, Facts]], asked: Sequence[Sequence[Exchange]]
) -> Iterator[Scored]:
    """All questions about all pictures; every picture is read once."""
    pairs = [(i, exchange) for i, exchanges_of in enumerate(asked) for exchange in exchanges_of]
    pictures = [decode(pixels) for pixels, _ in drawn]
    answers = asking.ask_all(assistant, pictures, [(i, exchange.question) for i, exchange in pairs])
    for (i, exchange), answer in zip(pairs, answers, strict=True):
        yield Scored(exchange, drawn[i][1], answer, score(exchange, drawn[i][1], answer))


def score(exchange: Exchange, facts: Facts, answer: Answer) -> float:
    """How right an answer is, 0..1; see the table at the top."""
    places = [found.box for found in answer.boxes], [found.point for found in answer.points]
    return right(exchange, facts, answer.answer, *places)


def right(exchange: Exchange, facts: Facts, words: str, boxes: Sequence[Box], points: Sequence[Point]) -> float:
    """How right these words and places are, 0..1."""
    if exchange.skill == "refer" and isinstance(exchange.target, Box):
        return float(box_hit(boxes[0] if boxes else None, exchange.target))
    if exchange.skill == "point":
        return float(bool(points) and on_item(points[0], facts, exchange.item))
    if exchange.skill in DESCRIPTIONS:
        return caption_facts(words, facts.items, names=facts.names, plural=plural).f1
    return float(exact_match(words, exchange.accepted))


def on_item(point: Point, facts: Facts, item: int | None) -> bool:
    """Whether a visible pixel of the item lies under the point."""
    height, width = facts.instance_map.shape
    x, y = min(int(point.x), width - 1), min(int(point.y), height - 1)
    return item is not None and int(facts.instance_map[y, x]) == item + 1
