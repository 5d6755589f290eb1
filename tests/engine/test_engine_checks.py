"""Gradients reach every group or the run says which one they miss; a batch that cannot be learnt is noticed."""

import pytest
import torch
from engine_task import DIM, make, make_model, run, step
from torch import nn

from showtell.core.checkpoint import load_tensors
from showtell.data.loader import Batches
from showtell.engine.autopsy import first_not_finite, tensors_of
from showtell.engine.checks import ONCE, gradient_flow, overfits
from showtell.engine.gates import Gate
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss, NotFinite, TrainingError

ROWS = torch.cat([make(position) for position in range(6)]).float()


def test_a_whole_model_passes_and_is_left_alone():
    model = make_model()
    optimizer = make_optimizer(model, OptimizerConfig(parts=(Part(prefix="0", frozen=True),)))
    numbers = gradient_flow(step, ROWS, optimizer)(model)
    assert numbers["least_norm"] > 0 and numbers["parameters_without"] == 0
    assert all(p.grad is None for p in model.parameters())


class TwoPaths(nn.Module):
    def __init__(self, how: str):
        super().__init__()
        self.how, self.seen, self.blind = how, nn.Linear(DIM, 1), nn.Linear(DIM, 1)

    def forward(self, x):
        other = self.blind(x)
        return self.seen(x) + {"detached": other.detach(), "zero": other * 0, "used": other}[self.how]


@pytest.mark.parametrize("how", ["detached", "zero"])
def test_a_part_that_is_cut_off_is_named(how):
    model = TwoPaths(how)
    optimizer = make_optimizer(model, OptimizerConfig(parts=(Part(prefix="blind", lr_scale=0.5),)))
    with pytest.raises(TrainingError, match=r"no gradient reaches blind\.(weight|bias): it is cut off"):
        gradient_flow(step, ROWS, optimizer)(model)
    assert all(p.grad is None for p in model.parameters())


def test_what_is_trained_and_what_the_optimiser_has_must_agree():
    model = TwoPaths("used")
    optimizer = make_optimizer(model, OptimizerConfig(parts=(Part(prefix="blind", frozen=True),)))
    model.blind.bias.requires_grad_(True)
    with pytest.raises(TrainingError, match=r"blind\.bias wants a gradient but no group"):
        gradient_flow(step, ROWS, optimizer)(model)
    model.blind.bias.requires_grad_(False)
    model.seen.weight.requires_grad_(False)
    with pytest.raises(TrainingError, match=r"seen\.weight is frozen but a group"):
        gradient_flow(step, ROWS, optimizer)(model)


def test_one_batch_is_learnt_by_a_copy():
    model = make_model()
    before = [p.clone() for p in model.parameters()]
    numbers = overfits(step, ROWS, lr=0.02)(model)
    assert numbers["last"] < 0.7 * numbers["first"]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    with pytest.raises(TrainingError, match="one batch cannot be learnt by heart: in 5 steps its loss went from"):
        overfits(step, ROWS, steps=5, lr=1e-9)(model)


def test_as_gates_they_change_nothing(tmp_path):
    plain, gated = make_model(), make_model()
    run(tmp_path / "plain", plain, max_steps=6)
    optimizer = make_optimizer(gated, OptimizerConfig(lr=0.02, parts=(Part(prefix="0", lr_scale=0.5),)))
    from showtell.engine.schedule import Cosine

    train(
        LoopConfig(max_steps=6, ema_decay=0.9, log_every=1),
        model=gated,
        step=step,
        batches=Batches(make, torch.cat, batch_size=12),
        optimizer=optimizer,
        schedule=Cosine(steps=24, warmup=4),
        folder=tmp_path / "gated",
        gates=[
            Gate(check=gradient_flow(step, ROWS, optimizer), every=2, name="gradient"),
            Gate(check=overfits(step, ROWS, lr=0.02), every=ONCE, name="overfit"),
        ],
    )
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), gated.parameters(), strict=True))
    log = (tmp_path / "gated" / "log.jsonl").read_text()
    assert log.count('"event": "gradient"') == 4 and log.count('"event": "overfit"') == 1


def broken(model: nn.Module, at: float) -> nn.Module:
    """A model whose second layer overflows on inputs past `at`."""

    class Overflow(nn.Module):
        def forward(self, x):
            return x / (x.abs().amax() < at)

    model.insert(1, Overflow())
    return model


def test_the_first_tensor_is_named_and_the_batch_is_kept(tmp_path):
    batches = Batches(make, lambda samples: {"rows": torch.cat(samples)}, batch_size=12)
    model = broken(make_model(), at=2.0)
    with pytest.raises(NotFinite, match=r"step \d: the loss is .*; first in the output of 1 \(Overflow\); the"):
        train(
            LoopConfig(max_steps=20),
            model=model,
            step=lambda model, batch: step(model, batch["rows"]),
            batches=batches,
            optimizer=make_optimizer(model, OptimizerConfig()),
            schedule=Constant(),
            folder=tmp_path,
        )
    (kept,) = (tmp_path / "stopped").iterdir()
    number = int(kept.name[5:13])
    with batches.start(number - 1, 0, 1) as stream:
        assert torch.equal(load_tensors(kept)["rows"], next(stream)["rows"])
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_weights_and_batches_that_are_bad_themselves():
    model = make_model()
    assert first_not_finite(model, step, ROWS) is None
    bad = ROWS.clone()
    bad[2, 1] = float("inf")
    assert first_not_finite(model, step, bad) == "the batch itself: batch"

    def no_number(model, batch):
        return Loss(step(model, batch).value / 0, 1)

    assert first_not_finite(model, no_number, ROWS) == "the loss itself: all modules gave finite tensors"
    with torch.no_grad():
        model[4].bias.fill_(float("nan"))
    assert first_not_finite(model, step, ROWS) == "the weights 4.bias"


def test_tensors_are_found_wherever_they_are():
    nested = {"a": [torch.zeros(1), {"b": torch.ones(2)}], "c": "text"}
    assert [name for name, _ in tensors_of(nested)] == ["a.0", "a.1.b"]
