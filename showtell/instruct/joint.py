"""Answering and explaining every patch at once: instruction tuning with the dense targets as a second objective.

    picture -> tower --+--> connector -> decoder -> answers          sum over answer tokens
                       +--> dense head -> what covers each patch      mean over patches, times `weight`

The tower runs once for both. Without the second objective a small tower forgets part of what its dense stage taught it,
or learns on at the pace of a few words a picture; with it, each picture goes on giving one lesson a patch. The head is
not part of the model that is shipped.
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
    """The same pictures with packed questions and with patch targets."""

    packed: PackedBatch
    dense: DenseBatch


@dataclass(frozen=True)
class JointScenes:
    """Scenes as packed questions with patch targets: `make(position)`, `collate(samples)`."""

    questions: QuestionScenes
    dense: DenseScenes

    def make(self, position: int) -> tuple[QuestionSample, DenseSample]:
        rng = sample_rng(self.questions.seed, position)
        drawn = self.questions.draw(position, rng)
        asked = self.questions.ask(*drawn, rng)
        _, facts = drawn
        return asked, DenseSample(asked.square, *self.dense.targets(facts, self.dense.processor.view(facts.frame)))

    def collate(self, samples: Sequence[tuple[QuestionSample, DenseSample]]) -> JointBatch:
        packed = self.questions.collate([asked for asked, _ in samples])
        return JointBatch(packed, self.dense.collate([seen for _, seen in samples]))


@dataclass(frozen=True)
class JointStep:
    """`step(model, batch) -> Loss`: answer loss plus `weight` times the dense loss a patch."""

    answers: SupervisedStep
    patches: DenseStep
    weight: float = 0.5

    def __call__(self, model: JointModel, batch: JointBatch) -> Loss:
        tokens: Tensor = model.vlm.vision(batch.packed.pixels).tokens
        answer = self.answers.loss(model.vlm, model.vlm.connector(tokens), batch.packed)
        dense = self.patches.loss(model.head.read(tokens), batch.dense)
        per_patch = dense.value / dense.weight
        parts = {"answer_loss": float(answer.value.detach()) / float(answer.weight), **answer.parts, **dense.parts}
        return Loss(answer.value + self.weight * answer.weight * per_patch, answer.weight, parts)
