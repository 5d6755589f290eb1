"""How faithful is a model, over pictures it was never trained on?

    contract    of the answers that name evidence: how often hiding it changes the answer, how often hiding as much
                elsewhere does, and the difference of the two (`evidence.py`), skill by skill
    maps        mean area under the deletion curve of each map, of the evidence itself and of random orders
                (`deletion.py`), the difference of each pair on the same questions, and the share of a map's weight that
                lies on the things which the question is about: a made-up picture knows where they are

All with 95 % intervals by drawing whole pictures. Not here: asking one question (`evidence.prove`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from jaxtyping import Float
from torch import Tensor

from showtell.data.sample import sample_rng
from showtell.grounding.deletion import deletion_curve, random_ranking
from showtell.grounding.evidence import Proof, prove_all
from showtell.grounding.word_maps import KINDS, Words, box_shares, word_map, words_of
from showtell.images.decode import Picture, decode
from showtell.instruct.assistant import Assistant
from showtell.instruct.evaluate import HELD_OUT_SEED, held_out_scene
from showtell.metrics.intervals import cluster_bootstrap, paired_difference
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange, exchanges

SKILLS = ("color", "count", "compare", "exists", "name", "refer", "relation")
CHUNK = 8


@dataclass(frozen=True, eq=False)
class Case:
    """A question about a held-out picture, and what became of its answer."""

    number: int
    picture: Picture
    facts: Facts
    exchange: Exchange
    proof: Proof | None


def cases(assistant: Assistant, split: str, pictures: int, seed: int = 0, each: int = 4) -> list[Case]:
    """Up to `each` questions about every picture, asked and put to the test."""
    scene = held_out_scene(assistant, split)
    found: list[Case] = []
    for first in range(0, pictures, CHUNK):
        numbers = range(first, min(first + CHUNK, pictures))
        drawn = [scene.sample(HELD_OUT_SEED + seed, number) for number in numbers]
        shown = [decode(pixels) for pixels, _ in drawn]
        rng = [sample_rng(HELD_OUT_SEED + seed, number) for number in numbers]
        asked = [(i, e) for i in range(len(drawn)) for e in exchanges(drawn[i][1], rng[i], most=each, skills=SKILLS)]
        proofs = prove_all(assistant, shown, [(i, exchange.question) for i, exchange in asked])
        for (i, exchange), proof in zip(asked, proofs, strict=True):
            found.append(Case(numbers[i], shown[i], drawn[i][1], exchange, proof))
    return found


def contract(found: Sequence[Case]) -> dict[str, Any]:
    """Per skill and over all: share with evidence, changed without it, changed by the controls, faithfulness."""
    by_skill: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        by_skill[case.exchange.skill].append(case)
        by_skill["all"].append(case)
    return {skill: _contract(some) for skill, some in sorted(by_skill.items())}


def _contract(some: Sequence[Case]) -> dict[str, Any]:
    proved = [(case.proof, case.number) for case in some if case.proof is not None and case.proof.controls]
    result: dict[str, Any] = {"asked": len(some), "named_evidence": sum(case.proof is not None for case in some)}
    if not proved:
        return result
    pictures = [number for _, number in proved]
    measures: dict[str, Callable[[Proof], float]] = {
        "changed_without_evidence": lambda proof: float(proof.without.changed),
        "changed_by_controls": lambda proof: proof.disturbed or 0.0,
        "faithfulness": lambda proof: proof.faithfulness or 0.0,
    }
    for name, measure in measures.items():
        result[name] = asdict(cluster_bootstrap([measure(proof) for proof, _ in proved], pictures, seed=0))
    return result | {"n": len(proved), "pictures": len(set(pictures))}


def maps(assistant: Assistant, found: Sequence[Case], tell: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """The four maps of each case that named evidence, judged by deletion and by the truth."""
    areas: dict[str, list[float]] = defaultdict(list)
    on_truth: dict[str, list[float]] = defaultdict(list)
    pictures: list[int] = []
    for case in found:
        if case.proof is None:
            continue
        words = words_of(assistant, case.picture, case.exchange.question, case.proof.answer)
        pictures.append(case.number)
        rankings = {"evidence": box_shares(words, case.proof.evidence)} | {k: word_map(words, k) for k in KINDS}
        for kind, ranking in rankings.items():
            areas[kind].append(deletion_curve(words, ranking).area)
            on_truth[kind].append(weight_on_truth(words, ranking, case))
        areas["random"].append(deletion_curve(words, random_ranking(words.patches, case.number)).area)
        on_truth["random"].append(float(true_shares(words, case).mean()))
        tell()
    if not pictures:
        return {"questions": 0}
    pairs = list(combinations(areas, 2))
    return {
        "questions": len(pictures),
        "pictures": len(set(pictures)),
        "deletion_area": {kind: asdict(cluster_bootstrap(some, pictures, seed=0)) for kind, some in areas.items()},
        "weight_on_truth": {kind: asdict(cluster_bootstrap(some, pictures, seed=0)) for kind, some in on_truth.items()},
        "area_difference": {
            f"{a} - {b}": asdict(paired_difference(areas[a], areas[b], pictures, seed=0)) for a, b in pairs
        },
    }


def true_shares(words: Words, case: Case) -> Float[Tensor, "patches"]:
    """Of each patch, the share that lies in the box of a thing that the question is about."""
    things = case.exchange.evidence or (() if case.exchange.item is None else (case.exchange.item,))
    return box_shares(words, [case.facts.items[index].box for index in things])


def weight_on_truth(words: Words, ranking: Float[Tensor, "patches"], case: Case) -> float:
    """Share of a map's positive weight on those things."""
    weight = ranking.clamp(min=0).double()
    total = float(weight.sum())
    return float((weight * true_shares(words, case)).sum()) / total if total > 0 else 0.0
