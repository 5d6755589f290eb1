"""The self-distillation step: who moves the teacher, what the student does not see, collapse by name, resumption."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from showtell.data.loader import Batches
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss, TrainingError
from showtell.images.augment import ViewConfig
from showtell.vision.collapse import spread, watch
from showtell.vision.distill_step import DistillConfig, DistillStep, TeacherStudent, following, see_blanked
from showtell.vision.multicrop import CropConfig, MultiCrop, OneView, Picture
from showtell.vision.self_distillation import Centring
from showtell.vision.vit import ViTConfig

VISION = ViTConfig(
    image_size=(16, 16), patch_size=4, dim=16, depth=1, heads=2, mlp_dim=24, class_token=True, registers=2,
    mask_token=True,
)  # fmt: skip
DISTILL = DistillConfig(steps=8, prototypes=9, hidden=20, bottleneck=6, temperature_warmup=4)
CROPS = CropConfig(large=ViewConfig(size=16), small=ViewConfig(size=8, share=(0.2, 0.5)), smalls=2, grid=(4, 4))


def blob(position: int, rng: np.random.Generator) -> tuple[Picture, int]:
    """A disk of one of three colours, anywhere, on noise."""
    kind = int(rng.integers(3))
    y, x = np.mgrid[:20, :20]
    inside = (y - rng.uniform(7, 13)) ** 2 + (x - rng.uniform(7, 13)) ** 2 < 36
    picture = rng.integers(0, 120, (20, 20, 3))
    picture[inside, kind] = 250
    return picture.astype(np.uint8), kind


def make_model(config: DistillConfig = DISTILL) -> TeacherStudent:
    torch.manual_seed(0)
    return TeacherStudent(VISION, config)


def run(folder: Path, config: DistillConfig = DISTILL, stop_after: int | None = None) -> Outcome:
    model, data = make_model(config), MultiCrop(blob, CROPS, seed=3)
    return train(
        LoopConfig(max_steps=config.steps, log_every=1, stop_after_steps=stop_after),
        model=model,
        step=DistillStep(),
        batches=Batches(data.make, data.collate, batch_size=6),
        optimizer=make_optimizer(model, OptimizerConfig(lr=3e-3)),
        schedule=Constant(),
        folder=folder,
        on_step=following(model),
    )


def test_a_sample_is_a_function_of_its_position() -> None:
    data = MultiCrop(blob, replace(CROPS, mask_rate=1.0), seed=3)
    first, again, other = data.make(5), data.make(5), data.make(6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.large, other.large)
    batch = data.collate([first, other, again])
    assert batch.large.shape == (2, 3, 3, 16, 16) and batch.small.shape == (2, 3, 3, 8, 8)
    assert batch.masked.shape == (2, 3, 16) and torch.equal(batch.masked[:, 0], first.masked)
    assert 1 <= int(first.masked[0].sum()) <= 8 and first.large.abs().max() <= 1
    none = MultiCrop(blob, replace(CROPS, smalls=0, mask_rate=0.0), seed=3).make(5)
    assert none.small.shape == (0, 3, 8, 8) and not none.masked.any()
    pixels, labels = OneView(blob, CROPS.large).collate([OneView(blob, CROPS.large).make(i) for i in range(4)])
    assert pixels.shape == (4, 3, 16, 16) and set(labels.tolist()) <= {0, 1, 2}


def test_each_view_has_a_ground_of_its_own() -> None:
    """A ground that all views of a picture shared would be all that is needed to match them."""

    def grey(position: int, rng: np.random.Generator) -> tuple[Picture, int]:
        return np.full((20, 20, 3), rng.integers(256), np.uint8), position

    plain = {"mirror": 0.0, "tint": 0.0, "grey": 0.0, "blur": 0.0}
    crops = replace(CROPS, large=ViewConfig(size=16, **plain), small=ViewConfig(size=8, **plain))  # type: ignore[arg-type]
    sample = MultiCrop(grey, crops, seed=3).make(0)
    assert len({float(view.mean()) for view in (*sample.large, *sample.small)}) == 4


def test_the_student_does_not_see_blanked_patches_and_the_teacher_does() -> None:
    vision = make_model().student.vision.eval()
    assert vision.mask_token is not None
    torch.nn.init.normal_(vision.mask_token)
    pixels, masked = torch.randn(1, 3, 16, 16), torch.zeros(1, 16, dtype=torch.bool)
    masked[0, 5] = True
    other = pixels.clone()
    other[..., 4:8, 4:8] += 3  # patch 5
    with torch.no_grad():
        assert torch.equal(see_blanked(vision, pixels, masked).pooled, see_blanked(vision, other, masked).pooled)
        assert not torch.equal(vision(pixels).pooled, vision(other).pooled)
        seen = see_blanked(vision, pixels, torch.zeros_like(masked))
        assert torch.allclose(seen.tokens, vision(pixels).tokens, atol=1e-6) and seen.prefix.shape == (1, 3, 16)


def test_only_follow_moves_the_teacher() -> None:
    model, data = make_model(), MultiCrop(blob, CROPS, seed=3)
    batch = data.collate([data.make(i) for i in range(4)])
    before = [p.clone() for p in model.teacher.parameters()]
    loss = DistillStep()(model, batch)
    loss.value.backward()
    assert loss.weight == 4 and set(loss.parts) == {"dino", "ibot", "koleo"}
    assert all(p.grad is None for p in model.teacher.parameters())
    unreached = [n for n, p in model.student.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in unreached if not name.endswith("k.bias")] == []  # a key's bias never changes a softmax
    optimizer = make_optimizer(model, OptimizerConfig(lr=1e-2))
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.teacher.parameters(), strict=True))
    model.follow(3)
    share = 1 - DISTILL.momentum_at(3)
    for old, teacher, student in zip(before, model.teacher.parameters(), model.student.parameters(), strict=True):
        assert torch.allclose(teacher, old + share * (student - old), atol=1e-6)
    assert int(model.steps) == 3


def test_schedules_go_where_they_say() -> None:
    assert DISTILL.momentum_at(0) == pytest.approx(0.99) and DISTILL.momentum_at(8) == 1.0
    assert DISTILL.momentum_at(4) == pytest.approx(0.995)
    assert [DISTILL.temperature_at(step) for step in (0, 2, 4, 9)] == pytest.approx([0.04, 0.055, 0.07, 0.07])
    with pytest.raises(ValueError, match="class_token=True and mask_token=True"):
        TeacherStudent(replace(VISION, mask_token=False), DISTILL)


@pytest.mark.parametrize("balance", ["sinkhorn", "centring"])
def test_a_paused_run_ends_as_the_one_that_was_not(balance: Literal["sinkhorn", "centring"], tmp_path: Path) -> None:
    config = replace(DISTILL, balance=balance)
    assert run(tmp_path / "straight", config).finished
    assert not run(tmp_path / "paused", config, stop_after=3).finished
    assert run(tmp_path / "paused", config).finished
    straight, paused = (tmp_path / name / "model.safetensors" for name in ("straight", "paused"))
    assert straight.read_bytes() == paused.read_bytes()


def test_centring_subtracts_what_is_said_of_everything() -> None:
    centring = Centring(4, momentum=0.5)
    scores = torch.randn(6, 4) * 0.1 + torch.tensor([3.0, 0, 0, 0])
    assert (centring(scores, 0.1).argmax(dim=1) == 0).all()
    for _ in range(20):
        centring.update(scores)
    assert torch.allclose(centring.centre, scores.mean(dim=0), atol=1e-4)
    assert len(centring(scores, 0.1).argmax(dim=1).unique()) > 1
    kept = centring.centre.clone()
    centring.update(scores[:0])
    assert torch.equal(centring.centre, kept), "no rows say nothing"


def test_spread_and_rank_name_what_collapsed() -> None:
    torch.manual_seed(0)
    full = torch.randn(60, 8)
    assert spread(full).name is None and spread(full).rank > 6 and spread(full).spread > 0.9
    point = spread(torch.ones(9, 8) + 1e-3 * torch.randn(9, 8))
    assert point.name is not None and "are the same" in point.name
    assert spread(torch.ones(9, 8)) == (0.0, 0.0)
    line = torch.linspace(-1, 1, 30)[:, None] * torch.tensor([[1.0, 2, 0, 0]]) + 1e-4 * torch.randn(30, 4)
    assert "lie on one line" in str(spread(line).name)
    with pytest.raises(ValueError, match="one picture alone"):
        spread(full[:1])
    blind = watch(lambda model: full, lambda model: torch.full((60, 5), 0.2), grace=1)
    assert blind(None)["unsure"] == pytest.approx(1)
    with pytest.raises(TrainingError, match="has collapsed: every prototype for everything; spread"):
        blind(None)


def test_a_collapsing_run_is_stopped_by_name(tmp_path: Path) -> None:
    """Features that are pulled together, with nothing that pushes them apart, end in one point."""
    model, data = make_model(), OneView(blob, CROPS.large)
    shown = torch.stack([data.make(i)[0] for i in range(12)])

    def features(trained: TeacherStudent) -> Tensor:
        return trained.student.vision(shown).pooled

    gate = Gate(check=watch(features, grace=1), every=10, name="collapse")

    def same(trained: TeacherStudent, crops: tuple[Tensor, Tensor]) -> Loss:
        pooled = trained.student.vision(crops[0]).pooled
        return Loss((pooled - pooled.mean(dim=0).detach()).square().sum(), float(len(pooled)))

    with pytest.raises(TrainingError, match="the features of all pictures are the same"):
        train(
            LoopConfig(max_steps=100, log_every=100),
            model=model,
            step=same,
            batches=Batches(data.make, data.collate, batch_size=8),
            optimizer=make_optimizer(model, OptimizerConfig(lr=1e-2)),
            schedule=Constant(),
            folder=tmp_path,
            gates=[gate],
        )
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    assert [e["step"] for e in events if e["event"] == "collapse"] == [0]


def test_it_learns_what_crops_share(tmp_path: Path) -> None:
    """Without a label, answers about two crops of one picture come to agree, and not because all answers are alike."""
    model, data = make_model(replace(DISTILL, steps=30, momentum=0.9)), MultiCrop(blob, CROPS, seed=3)
    losses: list[float] = []

    def follow(step: int, metrics: Mapping[str, float]) -> None:
        following(model)(step, metrics)
        losses.append(metrics["dino"])

    train(
        LoopConfig(max_steps=30, log_every=30),
        model=model,
        step=DistillStep(),
        batches=Batches(data.make, data.collate, batch_size=10),
        optimizer=make_optimizer(model, OptimizerConfig(lr=3e-3)),
        schedule=Constant(warmup=5),
        folder=tmp_path,
        on_step=follow,
    )
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    with torch.no_grad():
        found = spread(model.teacher.vision(torch.stack([data.make(i).large[0] for i in range(500, 540)])).pooled)
    assert found.name is None and found.rank > 3
