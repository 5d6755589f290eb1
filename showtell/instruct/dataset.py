"""From made-up pictures to training rows: the picture once, then as many questions as fit.

    Scene.sample -> pixels, Facts -> language.exchanges -> Conversations -> Template -> pack_row

Boxes and points of the facts are in pixels of the picture; here they are moved into the view the tower sees, which is
the frame the location tokens are measured in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from showtell.core.geometry import Box, Point
from showtell.data.sample import sample_rng
from showtell.fusion.image_plan import plan_image
from showtell.images.processor import Processor
from showtell.images.view import ViewTransform
from showtell.instruct.conversation import Conversation, question
from showtell.instruct.packing import Document, PackedBatch, PackedRow, pack_row, stack_rows
from showtell.instruct.template import Template
from showtell.text.chat import Rendered
from showtell.vision.dense_targets import stack_squares
from showtell.vision.vit import ViTConfig
from showtell.worlds.facts import Facts
from showtell.worlds.language import Exchange, exchanges
from showtell.worlds.scene import Scene

Written = str | Box | Point


@dataclass(frozen=True)
class QuestionSample:
    """One packed row and its picture in grey levels."""

    square: np.ndarray
    row: PackedRow


@dataclass(frozen=True, kw_only=True)
class QuestionScenes:
    """Scenes as packed questions: `make(position)` and `collate(samples)` for `data.loader.Batches`.

    scenes: worlds to draw from, with equal shares.
    processor, template, vision: the model's own.
    length: tokens of a row, picture included.
    most: questions tried a picture; those that do not fit are left out.
    skills: which skills; None = all of them, in the mixture of the world.
    phrasings: "train" or "heldout".
    seed: of pictures and questions.
    """

    scenes: Sequence[Scene]
    processor: Processor
    template: Template
    vision: ViTConfig
    length: int
    seed: int
    most: int = 9
    skills: Sequence[str] | None = None
    phrasings: Literal["train", "heldout"] = "train"

    def make(self, position: int) -> QuestionSample:
        rng = sample_rng(self.seed, position)
        return self.ask(*self.draw(position, rng), rng)

    def draw(self, position: int, rng: np.random.Generator) -> tuple[np.ndarray, Facts]:
        """The picture of a position, from one of the worlds."""
        return self.scenes[int(rng.integers(len(self.scenes)))].sample(self.seed, position)

    def ask(self, pixels: np.ndarray, facts: Facts, rng: np.random.Generator) -> QuestionSample:
        """Its row of questions."""
        view = self.processor.view(facts.frame)
        document = self.document(facts, view, rng)
        row = pack_row([document], self.length, self.template.padding_id)
        return QuestionSample(self.processor.square(pixels, view), row)

    def document(self, facts: Facts, view: ViewTransform, rng: np.random.Generator) -> Document:
        """The picture and its questions, rendered."""
        asked = exchanges(facts, rng, phrasings=self.phrasings, most=self.most, skills=self.skills)
        trunk = self.template.trunk(plan_image(facts.frame, self.vision))
        return Document(trunk, [self.render(exchange, facts, view) for exchange in asked])

    def render(self, exchange: Exchange, facts: Facts, view: ViewTransform) -> Rendered:
        return self.template.render(as_conversation(exchange, facts, view))

    def collate(self, samples: Sequence[QuestionSample]) -> PackedBatch:
        pixels = stack_squares([sample.square for sample in samples], self.processor)
        return stack_rows([sample.row for sample in samples], pixels)


def as_conversation(exchange: Exchange, facts: Facts, view: ViewTransform) -> Conversation:
    """An exchange with every place in the view's frame; the answer opens with the boxes it rests on (its evidence)."""
    evidence = [facts.items[index].box for index in exchange.evidence]
    answer = (*evidence, *exchange.answer)
    return question(*into_view(exchange.question, view), answer=into_view(answer, view))


def into_view(parts: Sequence[Written], view: ViewTransform) -> tuple[Written, ...]:
    """Parts with boxes and points moved from the picture into the view."""
    return tuple(part if isinstance(part, str) else view.to_view(part) for part in parts)
