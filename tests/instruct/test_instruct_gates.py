"""A model that does not look at its pictures is stopped in a sentence; labels are answers, all and only they."""

import copy
import dataclasses

import pytest
import torch
from tiny_model import tiny_bundle

from showtell.core.errors import ConfigError, DataError
from showtell.data.sample import sample_rng
from showtell.engine.step import TrainingError
from showtell.fusion.prefix_vlm import PrefixVLM
from showtell.images.processor import Processor
from showtell.instruct.conversation import question
from showtell.instruct.dataset import QuestionScenes
from showtell.instruct.gates import Blindness, BlindnessConfig, labels_cover_answers, wrong_pictures
from showtell.instruct.step import SupervisedStep
from showtell.worlds.scene import Scene, SceneConfig

BUNDLE = tiny_bundle()
DATA = QuestionScenes(
    scenes=[Scene(SceneConfig(image_size=48))],
    processor=Processor(BUNDLE.config.processor),
    template=BUNDLE.template,
    vision=BUNDLE.config.model.vision,
    length=120,
    seed=2,
)
BATCH = DATA.collate([DATA.make(i) for i in range(4)])
STEP = SupervisedStep()
KINDS = ("swapped", "blank", "shuffled")


@torch.no_grad()
def test_a_model_that_passes_its_pictures_on_passes_the_first_checks() -> None:
    values = Blindness(STEP, BATCH)(BUNDLE.model)
    assert set(values) == {"loss", *(f"{what}_{kind}" for what in ("loss", "change") for kind in KINDS)}
    assert all(values[f"change_{kind}"] > 1e-3 for kind in KINDS)
    loss = STEP(BUNDLE.model, BATCH)
    assert values["loss"] == pytest.approx(float(loss.value) / float(loss.weight), rel=1e-5)


@torch.no_grad()
def test_a_random_model_is_called_blind_once_patience_ends() -> None:
    gate = Blindness(STEP, BATCH, BlindnessConfig(margin=5.0))
    gate(BUNDLE.model)
    gate(BUNDLE.model)
    with pytest.raises(TrainingError, match=r"blind: with swapped pictures its loss is only .* nats a token"):
        gate(BUNDLE.model)


def without_pictures() -> PrefixVLM:
    """A vision-language model that loses its pictures on the way."""
    model = copy.deepcopy(BUNDLE.model)
    model.connector.down.weight.zero_()
    return model


@torch.no_grad()
def test_pictures_that_never_arrive_are_noticed_at_step_zero() -> None:
    with pytest.raises(TrainingError, match="with swapped pictures every answer logit is the same"):
        Blindness(STEP, BATCH)(without_pictures())
    patient = Blindness(STEP, BATCH, BlindnessConfig(starts_blind=True, patience=1))
    assert patient(without_pictures())["change_blank"] == 0
    with pytest.raises(TrainingError, match="every answer logit is the same"):
        patient(without_pictures())


@torch.no_grad()
def test_the_model_inside_of_another_is_looked_at() -> None:
    outer = torch.nn.ModuleList([BUNDLE.model])
    inner = Blindness(STEP, BATCH, model_of=lambda model: model[0])
    assert inner(outer) == Blindness(STEP, BATCH)(BUNDLE.model)


def test_equal_pictures_cannot_be_swapped() -> None:
    same = dataclasses.replace(BATCH, pixels=BATCH.pixels[:1].expand_as(BATCH.pixels))
    for batch in (same, dataclasses.replace(BATCH, pixels=BATCH.pixels[:1])):
        with pytest.raises(ConfigError, match="at least two different"):
            Blindness(STEP, batch)


def test_wrong_pictures_are_wrong_in_three_ways() -> None:
    pixels = torch.randn(3, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    wrong = wrong_pictures(pixels)
    assert torch.equal(wrong["swapped"][1], pixels[0]) and not wrong["blank"].any()
    same, mixed = pixels.flatten(2).sort().values, wrong["shuffled"].flatten(2).sort().values
    assert torch.equal(same, mixed) and not torch.equal(wrong["shuffled"], pixels)


def test_labels_of_real_rows_cover_answers_only() -> None:
    _, facts = DATA.scenes[0].sample(1, 1)
    document = DATA.document(facts, DATA.processor.view(facts.frame), sample_rng(1, 1))
    assert 0 < labels_cover_answers(document.branches)["trained_share"] < 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda row: [False] * len(row), "row 1: no token of it is trained on"),
        (lambda row: [True] * len(row), "row 1: tokens of control, user are trained on"),
        (lambda row: [*row.loss_mask[:-1], False], "row 1: a part of its answer is not trained on"),
    ],
)
def test_spoiled_labels_are_named(spoil, says) -> None:
    row = BUNDLE.template.render(question("what is this?", answer=("a dog",)))
    with pytest.raises(DataError, match=says):
        labels_cover_answers([row, dataclasses.replace(row, loss_mask=spoil(row))])
    with pytest.raises(DataError, match="no row"):
        labels_cover_answers([])
