"""The loop: token-normalised gradients, gates, loud failures, and a model that learns."""

import json

import pytest
import torch
from engine_task import DIM, STEPS, make, make_model, run, step
from torch import nn

from showtell.core.checkpoint import load_tensors
from showtell.data.loader import Batches
from showtell.engine.distributed import World
from showtell.engine.gates import Gate
from showtell.engine.gradient import accumulate, normalise
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss, TrainingError, to_device


def gradient(micro_batches, clip_norm=None):
    model = make_model(dropout=0.0, dtype=torch.float64)
    with Batches(make, torch.cat, batch_size=12, micro_batches=micro_batches).start() as stream:
        sums = accumulate(model, step, stream, micro_batches, "fp32")
    metrics = normalise(model, list(model.parameters()), sums, World(), clip_norm, 1)
    return metrics, torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("micro_batches", [2, 3, 12])
def test_accumulation_equals_one_big_batch(micro_batches):
    """Samples have 1 to 6 rows, so means of means would be off by far more than the tolerance."""
    (whole, one), (pieces, many) = gradient(1), gradient(micro_batches)
    torch.testing.assert_close(many, one, rtol=1e-12, atol=1e-12)
    assert pieces["loss"] == pytest.approx(whole["loss"], rel=1e-12)
    assert pieces["weight"] == whole["weight"] == sum(make(position).shape[0] for position in range(12))


def test_the_gradient_is_that_of_the_mean_and_is_clipped():
    model = make_model(dropout=0.0, dtype=torch.float64)
    rows = torch.cat([make(position) for position in range(12)])
    (model(rows[:, :-1]) - rows[:, -1:]).square().mean().backward()
    plain = torch.cat([p.grad.flatten() for p in model.parameters()])
    metrics, ours = gradient(1)
    torch.testing.assert_close(ours, plain)
    assert metrics["grad_norm"] == pytest.approx(float(plain.norm()))
    _, clipped = gradient(1, clip_norm=0.01)
    torch.testing.assert_close(clipped, plain * 0.01 / plain.norm(), rtol=1e-4, atol=1e-9)


def fixed(model, step, folder, steps=3, batch=None, **options):
    """Train on one repeated batch."""
    rows = torch.cat([make(position) for position in range(4)]) if batch is None else batch
    return train(
        LoopConfig(max_steps=steps, log_every=1, **options.pop("config", {})),
        model=model,
        step=step,
        batches=Batches(lambda position: rows, lambda samples: samples[0], batch_size=1),
        optimizer=make_optimizer(model, options.pop("optimizer", OptimizerConfig(lr=0.02, weight_decay=0.0))),
        schedule=Constant(),
        folder=folder,
        **options,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_batch_is_overfitted(tmp_path, precision):
    seen = []
    model = make_model(dropout=0.0)
    fixed(model, step, tmp_path, 250, config={"precision": precision}, on_step=lambda n, m: seen.append(m["loss"]))
    assert seen[-1] < 0.05 * seen[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    def broken(model, batch):
        loss = step(model, batch)
        return Loss(loss.value * float("nan"), loss.weight, {"lm": float("nan"), "box": 1.5})

    model = make_model()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(TrainingError, match=r"step 1: the loss is nan, lm nan, box 1\.5"):
        fixed(model, broken, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert not (tmp_path / "model.safetensors").exists()


def test_a_gradient_that_is_not_finite_is_named(tmp_path):
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.gain = nn.Linear(DIM, 1), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return self.body(x) * (1 + self.gain.sqrt())  # the slope of a root at zero is infinite

    with pytest.raises(TrainingError, match="step 1: the gradient of gain is not finite"):
        fixed(Root(), step, tmp_path)


def test_a_batch_without_trained_tokens_stops_the_run(tmp_path):
    with pytest.raises(TrainingError, match="step 1: the batch has no trained tokens"):
        fixed(make_model(), lambda model, batch: Loss(step(model, batch).value * 0, 0), tmp_path)


def test_gates_run_before_step_one_and_every_so_often_in_eval_mode(tmp_path):
    seen = []

    def check(model):
        assert not model.training and not torch.is_grad_enabled()
        seen.append(float(model[0].weight.sum()))
        torch.rand(3)  # must not move the run
        return {"score": 0.5}

    gates = [Gate(check=check, every=2, name="look"), Gate(check=check, every=4, name="average", averaged=True)]
    model = make_model()
    fixed(model, step, tmp_path / "gated", 4, gates=gates, config={"ema_decay": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "gated" / "log.jsonl").read_text().splitlines()]
    looks = [(line["event"], line["step"]) for line in lines if line["event"] in ("look", "average")]
    assert looks == [("look", 0), ("average", 0), ("look", 2), ("look", 4), ("average", 4)]
    assert seen[3] != seen[4] == float(model[0].weight.detach().sum())  # the average is what the run gives back
    plain = make_model()
    fixed(plain, step, tmp_path / "plain", 4, config={"ema_decay": 0.5})
    assert torch.equal(plain[0].weight, model[0].weight)


def test_a_closed_gate_stops_the_run(tmp_path):
    def closed(model):
        raise TrainingError("the model is blind: swapped pictures change no answer")

    with pytest.raises(TrainingError, match="blind"):
        fixed(make_model(), step, tmp_path, gates=[Gate(check=closed, every=10)])


def test_the_result_is_the_average_in_memory_and_on_disk(tmp_path):
    model = make_model()
    run(tmp_path, model, save_every_steps=STEPS)
    written = load_tensors(tmp_path / "model.safetensors")
    averaged = load_tensors(tmp_path / "checkpoints" / f"step-{STEPS:08d}" / "ema.safetensors")
    last = load_tensors(tmp_path / "checkpoints" / f"step-{STEPS:08d}" / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, written[name]) and torch.equal(tensor, averaged[name])
    assert any(not torch.equal(last[name], averaged[name]) for name in last)


def test_moving_follows_the_structure_of_a_batch():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Pair:
        x: torch.Tensor
        names: tuple[str, ...]

    meta = torch.device("meta")
    moved = to_device({"pair": Pair(torch.ones(2), ("a",)), "list": [torch.ones(1), 3]}, meta)
    assert moved["pair"].x.device == moved["list"][0].device == meta
    assert moved["pair"].names == ("a",) and moved["list"][1] == 3
