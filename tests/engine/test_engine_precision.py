"""fp16 with a scale that survives restarts, recomputed activations, deterministic mode, saving beside the training."""

import json
import threading

import pytest
import torch
from engine_task import DIM, STEPS, make_model, run, step
from mixed_task import Mixed, collate, make
from mixed_task import step as mixed_step
from test_engine_loop import fixed
from torch import nn

from showtell.core.errors import ConfigError
from showtell.engine import saver
from showtell.engine.precision import LossScale, deterministic
from showtell.engine.profile import cost_of
from showtell.engine.recompute import recompute
from showtell.engine.step import Loss, TrainingError


def test_fp16_learns(tmp_path):
    seen = []
    model = make_model(dropout=0.0)
    fixed(model, step, tmp_path, 250, config={"precision": "fp16"}, on_step=lambda n, m: seen.append(m["loss"]))
    assert seen[-1] < 0.05 * seen[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


class Steep(nn.Module):
    """Its loss is fine and its gradient is too large, whenever `steep` is set."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.line, self.steep = nn.Linear(DIM, 1), False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.line(x)
        return out + (out - out.detach()) * 1e36 if self.steep else out


def bumpy(folder, model, steep_steps=(3, 4), **config):
    """Train with gradients that overflow in the given steps."""
    made = {"step": config.pop("from_step", 0)}
    model.steep = made["step"] + 1 in steep_steps

    def on_step(number, metrics):
        model.steep = number + 1 in steep_steps

    return fixed(model, step, folder, 8, config={"precision": "fp16", "save_every_steps": 2} | config, on_step=on_step)


def test_a_step_that_overflows_is_left_out_and_scaled_less(tmp_path):
    bumpy(tmp_path / "whole", Steep())
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    rows = [(line["step"], line["loss_scale"], line.get("left_out", 0)) for line in lines if line["event"] == "step"]
    assert rows[1:6] == [(2, 1024, 0), (3, 1024, 1), (4, 512, 1), (5, 256, 0), (6, 256, 0)]
    assert lines[2]["loss"] == lines[3]["loss"] == lines[4]["loss"], "the weights have not moved meanwhile"
    bumpy(tmp_path / "cut", Steep(), stop_after_steps=4)
    state = json.loads((tmp_path / "cut" / "checkpoints" / "step-00000004" / "state.json").read_text())
    assert state["loss_scale"] == {"scale": 256.0, "good": 0}
    bumpy(tmp_path / "cut", Steep(), from_step=4)
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_what_always_overflows_is_no_overflow(tmp_path):
    with pytest.raises(TrainingError, match="the same with a loss scale of .* use bf16 or fp32"):
        model = Steep()
        fixed(model, lambda m, x: Loss(step(m, x).value + (m.line.bias.sum() * 0).sqrt(), len(x)), tmp_path, 60,
              config={"precision": "fp16"})  # fmt: skip


def test_a_scale_grows_after_patience():
    scale = LossScale(patience=3)
    for _ in range(7):
        scale.worked()
    assert (scale.scale, scale.good) == (4096, 1)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_recomputing_gives_the_same_loss_and_gradients_for_less_memory(dropout):
    batch = collate([make(position) for position in range(8)])
    kept = {}
    for again in (False, True):
        model = Mixed()
        for block in model.blocks:
            block.down = nn.Sequential(block.down, nn.Dropout(dropout))
        names = [name for name, _ in model.named_parameters()]
        if again:
            recompute(model)
        assert [name for name, _ in model.named_parameters()] == names
        memory = cost_of(model, mixed_step, batch).saved_bytes
        torch.manual_seed(3)
        loss = mixed_step(model, batch)
        loss.value.backward()
        kept[again] = loss.value.detach(), [p.grad for p in model.parameters()], memory
    assert torch.equal(kept[True][0], kept[False][0])
    assert all(torch.equal(a, b) for a, b in zip(kept[True][1], kept[False][1], strict=True))
    assert kept[True][2] < 0.6 * kept[False][2]


def test_recomputing_nothing_is_refused():
    with pytest.raises(ConfigError, match="no module's path matches"):
        recompute(nn.Linear(2, 2))


def test_deterministic_mode_is_on_inside_of_a_run_only(tmp_path):
    seen = []
    run(
        tmp_path, make_model(), max_steps=2, deterministic=True,
        on_step=lambda *_: seen.append(torch.are_deterministic_algorithms_enabled()),
    )  # fmt: skip
    assert seen == [True, True] and not torch.are_deterministic_algorithms_enabled()
    with deterministic(True), pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    """The writer waits for a step that only comes if the run does not wait for the writer."""
    later, real = threading.Event(), saver.save_tensors

    def slow(tensors, path, metadata=None):
        assert later.wait(timeout=20), "training waits for the disk"
        real(tensors, path, metadata)

    monkeypatch.setattr(saver, "save_tensors", slow)
    outcome = run(
        tmp_path, make_model(), max_steps=8, save_every_steps=3, save_in_background=True,
        on_step=lambda number, metrics: later.set() if number == 5 else None,
    )  # fmt: skip
    assert outcome.finished
    monkeypatch.undo()
    run(tmp_path / "plain", make_model(), max_steps=8, save_every_steps=3)
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "plain" / "model.safetensors").read_bytes()
    for name in ("model", "optimizer", "ema"):
        ours, plain = (
            f / "checkpoints" / "step-00000006" / f"{name}.safetensors" for f in (tmp_path, tmp_path / "plain")
        )
        assert ours.read_bytes() == plain.read_bytes()


def test_a_disk_that_refuses_in_the_background_stops_the_run(tmp_path, monkeypatch):
    def full(tensors, path, metadata=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saver, "save_tensors", full)
    with pytest.raises(Exception, match="cannot be written \\(No space left on device\\); the one before is intact"):
        run(tmp_path, make_model(), save_every_steps=3, save_in_background=True)
    assert STEPS > 3 and not list((tmp_path / "checkpoints").iterdir())
