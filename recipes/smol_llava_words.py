"""The second objective of `smol_llava`: somewhere among its image tokens, a picture holds the words of its caption.

    features -> connector -> image tokens x_1 .. x_49        E: the decoder's own embeddings of all words of captions
    score of word w = log sum_t exp(scale cos(x_t, E_w))      softmax over words; those of the caption share the truth

Through the decoder a connector hears of a name now and then: two or three tokens of a row say one. This objective costs
the connector alone, so each step can show it many more pictures (`extra`) than there is time to ask about, and what
it learns is what the decoder reads best, a vector near the embedding of the word. (The same idea as the dense
targets of `showtell/instruct/joint.py`, where it is the tower that needs the pictures.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.smol_llava_pictures import Remembered, Row, Rows
from showtell.data.sample import sample_rng
from showtell.engine.step import Loss
from showtell.fusion.prefix_vlm import Prefix
from showtell.instruct.packing import PackedBatch
from showtell.instruct.step import SupervisedStep
from showtell.text.tokenizer import Tokenizer

SILENT = " a an and . , : no nothing there is picture in the"


@dataclass(frozen=True)
class WordedBatch:
    """Packed rows, then other pictures, and which words are true of each.

    features: of all pictures, those of the rows first; truth: (pictures, words), rows that sum to one or to nothing.
    """

    packed: PackedBatch
    features: Tensor
    truth: Tensor


class Worded:
    """Rows with the words of their pictures and of `extra` others: `make(position)`, `collate(samples)`."""

    def __init__(self, rows: Rows, extra: int):
        self.rows, self.extra = rows, extra
        spoken = [caption_words(rows.memory, rows.tokenizer, picture) for picture in range(len(rows.memory))]
        self.words = sorted(set().union(*spoken))
        places = {word: place for place, word in enumerate(self.words)}
        self.true = [sorted(places[word] for word in words) for words in spoken]

    def make(self, position: int) -> tuple[Row, list[tuple[int, Tensor]]]:
        rng = sample_rng(self.rows.seed + 1000, position)
        others = self.rows.first + rng.integers(self.rows.pictures, size=self.extra)
        pictures = [self.rows.picture(position), *map(int, others)]
        return self.rows.make(position), [(picture, self.rows.memory.features(picture)) for picture in pictures]

    def collate(self, samples: Sequence[tuple[Row, list[tuple[int, Tensor]]]]) -> WordedBatch:
        packed = self.rows.collate([row for row, _ in samples])
        seen = [seen[0] for _, seen in samples] + [other for _, seen in samples for other in seen[1:]]
        truth = torch.zeros(len(seen), len(self.words))
        for row, (picture, _) in enumerate(seen):
            truth[row, self.true[picture]] = 1 / max(1, len(self.true[picture]))
        return WordedBatch(packed, torch.stack([features for _, features in seen]).float(), truth)


def caption_words(memory: Remembered, tokenizer: Tokenizer, picture: int) -> set[int]:
    """Ids of what the captions of a picture name."""
    said = memory.words[picture]
    texts = [text for skill, _, text in said["captions"] + said["questions"] if skill in ("caption", "list")]
    silent = {id for word in SILENT.split() for form in (word, " " + word) for id in tokenizer.encode(form)}
    return {id for text in texts for id in tokenizer.encode(" " + text)} - silent


@dataclass(frozen=True)
class WordedStep:
    """`step(model, batch) -> Loss`: answer loss plus `weight` times the loss of the words a picture.

    words: ids, in the order of `WordedBatch.truth`; scale: see the top.
    """

    answers: SupervisedStep
    words: Sequence[int]
    weight: float
    scale: float = 20.0

    def __call__(self, model: Prefix, batch: WordedBatch) -> Loss:
        tokens = model.image_tokens(batch.features)
        answer = self.answers.loss(model, tokens[: len(batch.packed.ids)], batch.packed)
        table = model.decoder.embedding.weight[list(self.words)].detach()
        cosines = F.normalize(tokens.float(), dim=-1) @ F.normalize(table.float(), dim=-1).T
        scores = torch.logsumexp(self.scale * cosines.float(), dim=1)  # (pictures, words)
        losses = -(batch.truth * scores.log_softmax(dim=-1)).sum(dim=-1)
        named = batch.truth.sum(dim=-1) > 0
        loss = losses[named].mean() if bool(named.any()) else losses.sum()
        best = batch.truth.gather(1, scores.argmax(dim=-1, keepdim=True)) > 0
        parts = {"answer_loss": float(answer.value.detach()) / float(answer.weight), "word_loss": float(loss.detach())}
        right = {"word_top1": float(best.float().mean())}
        return Loss(answer.value + self.weight * answer.weight * loss, answer.weight, answer.parts | parts | right)
