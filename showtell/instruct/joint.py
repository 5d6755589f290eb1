"""Answering and explaining every patch at once: instruction tuning with the dense targets as a second objective.

    picture -> tower --+--> connector -> decoder -> answers          sum over answer tokens
    others  -> tower --+--> dense head -> what covers each patch      mean over patches, times `weight`

The tower runs once for both. Each picture may bring `extra` others that nothing is asked about: they cost a third of
what a picture with its questions costs, and it is the tower that needs the most pictures. Without the second objective
a small tower forgets part of what its dense stage taught it, or learns on at the pace of a few words a picture. The
head is not part of the model that is shipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from showtell.data.sample import sample_rng
from showtell.engine.step import Loss
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.instruct.dataset import QuestionSample, QuestionScenes
from showtell.instruct.packing import PackedBatch
from showtell.instruct.step import SupervisedStep
from showtell.vision.dense import DenseBatch, DenseHead, DenseStep
from showtell.vision.dense_targets import DenseSample, DenseScenes


class JointModel(nn.Module):
    """A vision-language model and the dense head that its tower also answers to."""

    def __init__(self, vlm: PrefixVLM, head: DenseHead):
        super().__init__()
        self.vlm, self.head = vlm, head


@dataclass(frozen=True)
class JointBatch:
    """Pictures with packed questions; the same and then others with patch targets."""

    packed: PackedBatch
    dense: DenseBatch


@dataclass(frozen=True)
class JointScenes:
    """Scenes as packed questions with patch targets: `make(position)`, `collate(samples)`.

    dense: targets of the asked pictures; its seed is that of the extra ones.
    extra: pictures without questions for each one with.
    """

    questions: QuestionScenes
    dense: DenseScenes
    extra: int = 0

    def make(self, position: int) -> tuple[QuestionSample, list[DenseSample]]:
        rng = sample_rng(self.questions.seed, position)
        drawn = self.questions.draw(position, rng)
        asked = self.questions.ask(*drawn, rng)
        _, facts = drawn
        seen = DenseSample(asked.square, *self.dense.targets(facts, self.dense.processor.view(facts.frame)))
        return asked, [seen, *(self.dense.make(position * self.extra + i) for i in range(self.extra))]

    def collate(self, samples: Sequence[tuple[QuestionSample, list[DenseSample]]]) -> JointBatch:
        packed = self.questions.collate([asked for asked, _ in samples])
        first, others = [seen[0] for _, seen in samples], [other for _, seen in samples for other in seen[1:]]
        return JointBatch(packed, self.dense.collate(first + others))


@dataclass(frozen=True)
class JointStep:
    """`step(model, batch) -> Loss`: answer loss plus `weight` times the dense loss a patch."""

    answers: SupervisedStep
    patches: DenseStep
    weight: float = 0.5

    def __call__(self, model: JointModel, batch: JointBatch) -> Loss:
        tokens: Tensor = model.vlm.vision(batch.dense.pixels).tokens  # the pictures that are asked about come first
        asked = tokens[: len(batch.packed.ids)]
        answer = self.answers.loss(model.vlm, model.vlm.connector(asked), batch.packed)
        dense = self.patches.loss(model.head.read(tokens), batch.dense)
        per_patch = dense.value / dense.weight
        parts = {"answer_loss": float(answer.value.detach()) / float(answer.weight), **answer.parts, **dense.parts}
        return Loss(answer.value + self.weight * answer.weight * per_patch, answer.weight, parts)
