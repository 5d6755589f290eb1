"""Scores of `smol_llava` on pictures it has never seen, against the same language model without its eyes.

    who            blind, untrained   the language model as it was published, asked without a picture
                   blind, trained     the same adapter trained on the same questions without pictures: guessing, learned
                   stage 1            the connector alone
                   stage 2            connector and adapter
                   wrong picture      stage 2, shown somebody else's picture

    caption, list  F1 of the (colour, name, count) facts said, and CIDEr-D of captions      bootstrap of the mean
    all others     the words are one of the accepted answers                                Wilson

All of them are asked the same questions, in their own chat format; for yes and no the first word counts, so that a
model that explains itself is not wrong for it. Forgetting is the perplexity of plain text, before and after.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recipes.smol_llava_pictures import SKILLS, asked, look, question_of
from showtell.core.masks import causal_mask
from showtell.data.sample import sample_rng
from showtell.fusion.prefix_vlm import Prefix
from showtell.images.fixed import FixedProcessor
from showtell.images.view import ViewTransform
from showtell.instruct.answer import Answer
from showtell.instruct.chat_documents import chat_document
from showtell.instruct.evaluate import DESCRIPTIONS, HELD_OUT_SEED, summary
from showtell.instruct.evaluate import score as score_of
from showtell.metrics.cider import Frequencies, cider
from showtell.metrics.intervals import bootstrap_mean, wilson
from showtell.metrics.ptb import ptb_tokens
from showtell.text.chat import ChatFormat
from showtell.text.decoder import Decoder
from showtell.text.generate import generate
from showtell.text.sampling import SamplingConfig
from showtell.text.tokenizer import Tokenizer
from showtell.vision.pyramid_tokens import PyramidTokens
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange
from showtell.worlds.scene import Scene

CHUNK = 8


@dataclass(frozen=True)
class Examined:
    """A held-out picture as the tower sees it, what is true of it, and what is asked."""

    features: Tensor
    facts: Facts
    exchanges: Sequence[Exchange]
    questions: Sequence[str]


@dataclass(frozen=True)
class Pupil:
    """A model that answers.

    blind: asked without a picture.
    shift: shown the picture of so many places further on.
    """

    model: Prefix
    blind: bool = False
    shift: int = 0


def examination(
    scene: Scene, pictures: int, tower: PyramidTokens, processor: FixedProcessor, wording: str = "train", most: int = 6
) -> list[Examined]:
    """Held-out pictures of a split, each with a few questions."""
    found = []
    for first in range(0, pictures, CHUNK):
        positions = range(first, min(first + CHUNK, pictures))
        seen, facts = look(scene, HELD_OUT_SEED, positions, tower, processor)
        for position, features, fact in zip(positions, seen, facts, strict=True):
            rng = sample_rng(HELD_OUT_SEED, position)
            exchanges = asked(fact, rng, SKILLS, most, wording)
            found.append(Examined(features, fact, exchanges, [question_of(e, rng) for e in exchanges]))
    return found


def examine(
    pupil: Pupil,
    exam: Sequence[Examined],
    format: ChatFormat,
    tokenizer: Tokenizer,
    on_chunk: Callable[[int, int], None] = lambda done, all: None,
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Scores by skill, and what was said."""
    by_skill: defaultdict[str, list[float]] = defaultdict(list)
    said: list[dict[str, str]] = []
    captions: list[tuple[str, str]] = []
    features = torch.stack([one.features for one in exam]).roll(-pupil.shift, 0)
    for first in range(0, len(exam), CHUNK):
        chunk = exam[first : first + CHUNK]
        written = answers(pupil, chunk, features[first : first + CHUNK], format, tokenizer)
        for one, texts in zip(chunk, written, strict=True):
            for exchange, question, text in zip(one.exchanges, one.questions, texts, strict=True):
                right = score_of(exchange, one.facts, spoken(text, exchange, one.facts))
                by_skill[exchange.skill].append(right)
                truth = "".join(str(part) for part in exchange.answer)
                said.append({"skill": exchange.skill, "question": question, "answer": text, "truth": truth})
                if exchange.skill == "caption":
                    captions.append((text, truth))
        on_chunk(min(first + CHUNK, len(exam)), len(exam))
    return table(by_skill, captions), said


def table(by_skill: dict[str, list[float]], captions: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Each skill, all questions together, all descriptions together, and CIDEr-D, with their intervals."""
    scores: dict[str, Any] = {skill: summary(skill, values) for skill, values in sorted(by_skill.items())}
    questions = [value for skill, values in by_skill.items() if skill not in DESCRIPTIONS for value in values]
    facts = [value for skill, values in by_skill.items() if skill in DESCRIPTIONS for value in values]
    if questions:
        interval = wilson(round(sum(questions)), len(questions))
        scores["questions"] = row(questions, interval.low, interval.high)
    for name, values in (("descriptions", facts), ("cider_d", cider_d(captions))):
        if values:
            interval = bootstrap_mean(values, seed=0)
            scores[name] = row(values, interval.low, interval.high)
    return scores


def row(values: Sequence[float], low: float, high: float) -> dict[str, float]:
    return {"value": sum(values) / len(values), "low": low, "high": high, "n": len(values)}


def cider_d(captions: Sequence[tuple[str, str]]) -> list[float]:
    """CIDEr-D of each caption, the frequencies those of the true captions of this split."""
    truths = [[ptb_tokens(truth)] for _, truth in captions]
    if len(truths) < 2:  # every word is equally common then
        return []
    corpus = Frequencies.of(truths)
    return [cider(ptb_tokens(text), truth, corpus) for (text, _), truth in zip(captions, truths, strict=True)]


def spoken(text: str, exchange: Exchange, facts: Facts) -> Answer:
    """An answer in words alone."""
    words = text.strip()
    if exchange.accepted and exchange.accepted[0] in ("yes", "no"):
        words = "".join(letter for letter in words.split()[0] if letter.isalpha()) if words else ""
    view = ViewTransform.identity(facts.frame)
    return Answer(words, (), (), 1.0, "", {}, (), (0, 0), view)


@torch.inference_mode()
def answers(
    pupil: Pupil, chunk: Sequence[Examined], features: Tensor, format: ChatFormat, tokenizer: Tokenizer
) -> list[list[str]]:
    """Greedy answers to all questions of some pictures, in one batch: each picture is read once."""
    model = pupil.model
    placeholders = [] if pupil.blind else [model.image_token_id] * features.shape[1]
    kept = [i for i, one in enumerate(chunk) if one.questions]
    if not kept:
        return [[] for _ in chunk]
    documents = [chat_document(format, tokenizer, placeholders, [(q, None) for q in chunk[i].questions]) for i in kept]
    trunk = torch.tensor([document.trunk.ids for document in documents])
    words = model.decoder.embed(trunk) if pupil.blind else model.embed(model.connector(features[kept]), trunk)
    cache, length = model.decoder.new_cache(), trunk.shape[1]
    model.decoder(words, torch.arange(length)[None], causal_mask(length, length), cache)
    branches = [(row, branch.ids) for row, document in enumerate(documents) for branch in document.branches]
    longest = max(len(ids) for _, ids in branches)
    prompt = torch.tensor([[0] * (longest - len(ids)) + ids for _, ids in branches])
    valid = torch.ones(len(branches), length + longest, dtype=torch.bool)
    for place, (_, ids) in enumerate(branches):
        valid[place, length : length + longest - len(ids)] = False
    written = generate(
        model.decoder,
        model.decoder.embed(prompt),
        valid,
        SamplingConfig(max_tokens=40),
        stop_id=tokenizer.id(format.stop),
        forbidden=(model.image_token_id,),
        cache=cache.rows(torch.tensor([row for row, _ in branches])),
    )
    texts = iter(tokenizer.decode(generated.ids).strip() for generated in written)
    counts = {i: len(document.branches) for i, document in zip(kept, documents, strict=True)}
    return [[next(texts) for _ in range(counts.get(i, 0))] for i in range(len(chunk))]


@torch.inference_mode()
def perplexity(decoder: Decoder, tokenizer: Tokenizer, text: str, window: int = 256, most: int = 8) -> float:
    """Of plain text, in windows that each start anew."""
    ids = tokenizer.encode(text)
    rows = torch.tensor([ids[i : i + window] for i in range(0, len(ids) - window + 1, window)][:most])
    hidden = decoder(decoder.embed(rows), torch.arange(window)[None], causal_mask(window, window))
    losses = [
        torch.nn.functional.cross_entropy(decoder.logits(row[:-1]).float(), ids[1:])
        for row, ids in zip(hidden, rows, strict=True)
    ]
    return float(torch.stack(losses).mean().exp())
