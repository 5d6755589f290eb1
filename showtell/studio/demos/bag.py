"""3.6 Bag of words: the same words in another order, before and after the model was shown why order matters."""

from dataclasses import dataclass, replace

import torch

from showtell.contrastive.duets import read, see
from showtell.contrastive.space import swap_accuracy
from showtell.studio.series.bounds import bounded, one_of
from showtell.studio.series.demo import Demo
from showtell.studio.series.grid_bounds import Order
from showtell.studio.series.scene import Bars, Concept, Raster, Ribbon, Scene, Token
from showtell.studio.series.tools import Tools
from showtell.worlds.dice import keyed
from showtell.worlds.duets import COLORS, RELATIONS, SHAPES, Duet, draw, place, plain, sample
from showtell.worlds.facts import OPPOSITE

MODELS = {"plain": "plain batches", "twins": "batches with twins (hard negatives)"}
SHORT = {"plain": "plain batches", "twins": "with twins"}
KINDS = ("colours exchanged", "sides exchanged")
PARTS = 7  # of a caption, the relation being one
STRAIGHT = tuple(range(PARTS))
HELD_OUT = 240


@dataclass(frozen=True)
class State:
    model: str = one_of("plain", MODELS, label="Trained on")
    color: str = one_of("red", {c: c for c in COLORS}, label="First colour")
    shape: str = one_of("square", {s: s for s in SHAPES}, label="First shape")
    relation: str = one_of("left of", {r: r for r in RELATIONS}, label="stands")
    color2: str = one_of("blue", {c: c for c in COLORS}, label="Second colour")
    shape2: str = one_of("star", {s: s for s in SHAPES}, label="Second shape")
    order: tuple[int, ...] = bounded((0, 5, 6, 3, 4, 1, 2), Order(label="Order of the words", count=PARTS))


class Bag(Demo[State]):
    name = "bag"
    number = "3.6"
    title = "Bag of words"
    lede = (
        "Compose a picture, then put the words of its caption into another order: drag one onto another, or pick two "
        "with Enter. Does the model notice? Then give it the weights that were trained with twins in every batch."
    )
    claim = (
        "Asked which of two things is on which side, in pictures never seen, the model of plain batches is near a coin "
        "(under 65 %), and the one that met twins is right more than 95 % of the time."
    )
    state_type = State

    def view(self, state: State, tools: Tools) -> Scene:
        model = tools.duets(state.model)
        duet = place((state.color, state.shape), state.relation, (state.color2, state.shape2))
        words = parts_of(duet)
        yours = " ".join(words[i] for i in state.order)
        captions = {
            "the true caption": plain(duet),
            "your order": yours,
            **{kind: exchanged(duet, kind) for kind in KINDS},
            "another shape": plain(reshaped(duet)),
        }
        cosines = (read(model, list(captions.values())) @ see(model, [duet])[0]).tolist()
        right = all_swaps(tools)
        return Scene(
            widgets=(
                Ribbon(
                    title="The caption, in your order",
                    tokens=[
                        Token(text=words[i], concept="query" if i != at else "text") for at, i in enumerate(state.order)
                    ],
                    field="order",
                    size="full",
                ),
                Raster(title="The picture", rgb=draw(duet, 160), alt=plain(duet), size="q", smooth=True),
                Bars(
                    title="Cosine with the picture",
                    names=[f"{name}: {caption}" for name, caption in captions.items()],
                    values=cosines,
                    texts=[f"{cosine:+.3f}" for cosine in cosines],
                    top=1.0,
                    concepts=concepts_of(list(captions.values())),
                    size="l",
                ),
                Bars(
                    title=f"True caption wins, {HELD_OUT} new pictures",
                    names=[f"against {kind}, {SHORT[name]}" for name, kind in right],
                    values=list(right.values()),
                    texts=[f"{100 * share:.0f} %" for share in right.values()],
                    top=1.0,
                    mark=0.5,
                    mark_name="a coin",
                    concepts=["image" if name == state.model else "plain" for name, _ in right],
                ),
            ),
            says=verdict(plain(duet), yours, cosines[0], cosines[1]),
            facts=(
                ("cosine of the true caption", f"{cosines[0]:.3f}"),
                ("your order changes it by", f"{cosines[1] - cosines[0]:+.3f}"),
                ("another shape changes it by", f"{cosines[4] - cosines[0]:+.3f}"),
                ("tiles moved", f"{sum(at != i for at, i in enumerate(state.order))} of {PARTS}"),
            ),
        )

    def check(self, tools: Tools) -> None:
        right = all_swaps(tools)
        assert right["twins", "sides exchanged"] > 0.95
        assert 0.35 < right["plain", "sides exchanged"] < 0.65


def parts_of(duet: Duet) -> list[str]:
    """a | red | square | left of | a | blue | star"""
    first, second = duet.things
    return ["a", first.color, first.shape, str(duet.relation), "a", second.color, second.shape]


def recoloured(duet: Duet) -> Duet:
    first, second = duet.things
    return replace(duet, things=(replace(first, color=second.color), replace(second, color=first.color)))


def reshaped(duet: Duet) -> Duet:
    """The first thing of a shape that neither has: what a bag of words would notice as well."""
    first, second = duet.things
    other = next(shape for shape in SHAPES if shape not in (first.shape, second.shape))
    return replace(duet, things=(replace(first, shape=other), second))


def exchanged(duet: Duet, kind: str) -> str:
    """The caption with two of its words exchanged, so that it is no longer true."""
    if kind == "colours exchanged":
        return plain(recoloured(duet))
    return plain(replace(duet, relation=OPPOSITE[str(duet.relation)]))


def all_swaps(tools: Tools) -> dict[tuple[str, str], float]:
    """(model, what is exchanged) -> how often the true caption wins."""
    return tools.remember("swaps", lambda: {key: value for name in MODELS for key, value in swaps(name, tools).items()})


def swaps(name: str, tools: Tools) -> dict[tuple[str, str], float]:
    """For a model and each exchange: how often the true caption of a held-out duet beats the false one."""
    dice, model = keyed(10**9, 1, stream=36), tools.duets(name)
    duets = [sample(dice, pairs=1.0) for _ in range(HELD_OUT)]
    images = see(model, duets)
    true = (images * read(model, [plain(duet) for duet in duets])).sum(dim=1)
    false = {kind: read(model, [exchanged(duet, kind) for duet in duets]) for kind in KINDS}
    return {
        (name, kind): swap_accuracy(torch.stack([true, (images * texts).sum(dim=1)], dim=1))
        for kind, texts in false.items()
    }


def concepts_of(captions: list[str]) -> list[Concept]:
    return ["image" if caption == captions[0] else "warn" for caption in captions]


def verdict(true: str, yours: str, best: float, now: float) -> str:
    if true == yours:
        return "The words stand in their places; move some."
    said = f"“{yours}” scores {now:.3f}, the true caption {best:.3f}."
    if now > best:
        return f"{said} The false caption wins: its words are the right ones, and the order is not looked at."
    if best - now < 0.1:
        return f"{said} This exchange hardly matters to the model."
    return f"{said} This exchange it notices."
