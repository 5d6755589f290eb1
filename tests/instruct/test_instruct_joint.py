"""The joint objective is the sum of its two halves, on the same pictures, and each half trains what it should."""

import torch
from tiny_model import tiny_bundle

from showtell.images.processor import Processor
from showtell.instruct.dataset import QuestionScenes
from showtell.instruct.joint import JointModel, JointScenes, JointStep
from showtell.instruct.losses import ordinal_targets
from showtell.instruct.step import SupervisedStep
from showtell.vision.dense import DenseHead, DenseStep, DenseTower
from showtell.vision.dense_targets import DenseScenes
from showtell.worlds.scene import Scene, SceneConfig
from showtell.worlds.shapes import COLORS

BUNDLE = tiny_bundle()
SCENE = Scene(SceneConfig(image_size=48))
PROCESSOR = Processor(BUNDLE.config.processor)
ASKED = QuestionScenes(
    scenes=[SCENE], processor=PROCESSOR, template=BUNDLE.template, vision=BUNDLE.config.model.vision, length=120, seed=2
)
DENSE = DenseScenes([SCENE], PROCESSOR, BUNDLE.config.codec, (*SCENE.names, "word"), tuple(COLORS), 8, 2)
DATA = JointScenes(ASKED, DENSE)


def test_one_tower_pass_gives_both_losses() -> None:
    torch.manual_seed(0)
    head = DenseHead(20, len(DENSE.names), len(COLORS), 7)
    model = JointModel(BUNDLE.model, head)
    batch = DATA.collate([DATA.make(i) for i in range(3)])
    assert torch.equal(batch.packed.pixels, batch.dense.pixels)
    answers, patches = SupervisedStep(), DenseStep(ordinal_targets(7, 1.0))
    both = JointStep(answers, patches, weight=0.25)(model, batch)
    asked, seen = answers(BUNDLE.model, batch.packed), patches(DenseTower(BUNDLE.model.vision, head), batch.dense)
    expected = asked.value / asked.weight + 0.25 * seen.value / seen.weight
    assert torch.allclose(both.value / both.weight, expected, atol=1e-4)
    both.value.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None or parameter.numel() == 0, name
    assert {"answer_loss", "token_accuracy", "name_accuracy"} <= set(both.parts)


def test_extra_pictures_teach_the_tower_alone() -> None:
    torch.manual_seed(0)
    model = JointModel(BUNDLE.model, DenseHead(20, len(DENSE.names), len(COLORS), 7))
    data = JointScenes(ASKED, DENSE, extra=2)
    batch = data.collate([data.make(i) for i in range(3)])
    assert torch.equal(batch.packed.pixels, batch.dense.pixels[:3]) and len(batch.dense.pixels) == 9
    extras = DENSE.collate([DENSE.make(i) for i in range(6)])
    assert torch.equal(batch.dense.pixels[3:], extras.pixels) and torch.equal(batch.dense.letters[3:], extras.letters)
    answers, patches = SupervisedStep(), DenseStep(ordinal_targets(7, 1.0))
    both = JointStep(answers, patches, weight=0.25)(model, batch)
    asked = answers(BUNDLE.model, batch.packed)
    seen = patches(DenseTower(BUNDLE.model.vision, model.head), batch.dense)
    assert torch.allclose(
        both.value / both.weight, asked.value / asked.weight + 0.25 * seen.value / seen.weight, atol=1e-4
    )


def test_answers_of_the_row_open_with_their_evidence() -> None:
    template = BUNDLE.template
    found = 0
    for position in range(20):
        row = ASKED.make(position).row
        for branch in range(1, max(row.branches) + 1):
            pieces = template.tokenizer.pieces(row.ids[row.branches == branch].tolist())
            text = "".join(pieces[: pieces.index("<assistant>")])
            if "color is the" in text or "color does the" in text:
                answer = pieces[pieces.index("<assistant>") + 1]
                found += 1
                assert answer == "<box>" or answer.startswith("there")
    assert found > 0
