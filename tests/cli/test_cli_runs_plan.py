"""`runs` shows what logs hold; `plan` rehearses every stage of a recipe and writes nothing where the run would."""

import json

import numpy as np
import pytest
from PIL import Image

from showtell.cli.runs import sparkline

LOG = [
    {"event": "step", "step": step, "loss": 4 / step, "loss_mean": 4 / step, "samples_per_second": 9.0,
     "seconds_per_step": 0.5, "eta_seconds": 0.5 * (30 - step)}
    for step in (10, 20, 30)
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name, count in (("one", 3), ("two", 2)):
        (tmp_path / name).mkdir()
        text = "".join(json.dumps(line) + "\n" for line in LOG[:count])
        (tmp_path / name / "log.jsonl").write_text(text)
    (tmp_path / "one" / "model.safetensors").touch()
    return tmp_path


def test_runs_side_by_side(showtell, folder) -> None:
    ran = showtell("runs", str(folder))
    assert ran.code == 0
    for words in ("one", "30/30", "20/30", "finished", "not finished", "█", "0.1333"):
        assert words in ran.out
    found = json.loads(showtell("runs", str(folder), "--json").out)["runs"]
    assert [(run["name"], run["step"], len(run["curve"])) for run in found] == [("one", 30, 3), ("two", 20, 2)]


def test_curves_are_drawn(showtell, folder) -> None:
    assert showtell("runs", str(folder), "--draw", str(folder / "c.png")).code == 0
    pixels = np.asarray(Image.open(folder / "c.png"))
    assert pixels.shape == (540, 960, 3)
    assert (pixels == (31, 119, 180)).all(-1).sum() > 200 and (pixels == (214, 39, 40)).all(-1).sum() > 100


def test_no_run_is_a_sentence(showtell, tmp_path) -> None:
    assert "holds no run" in showtell("runs", str(tmp_path)).err
    assert "is no folder" in showtell("runs", str(tmp_path / "none")).err


def test_a_sparkline() -> None:
    assert sparkline([1, 2, 3, 8]) == "▁▂▃█" and sparkline([]) == "" and sparkline([5, 5]) == "▁▁"
    assert sparkline([1.0, float("nan"), 2.0]) == "▁ █" and len(sparkline(list(range(100)))) == 24


RECIPE = '''
"""Two stages."""
from pathlib import Path
import torch
from torch import nn
from showtell.core.checkpoint import load_tensors
from showtell.data.loader import Batches
from showtell.engine.loop import LoopConfig, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import Loss

def main(folder: Path = Path("runs/x"), width: int = 4) -> None:
    model = nn.Sequential(nn.Linear(3, width), nn.Linear(width, 1))
    for name, steps in (("first", 50), ("second", 70)):
        train(LoopConfig(max_steps=steps, ema_decay=0.9), model=model,
              step=lambda model, x: Loss(model(x).square().sum(), len(x)),
              batches=Batches(lambda position: torch.ones(3), torch.stack, batch_size=5),
              optimizer=make_optimizer(model, OptimizerConfig()), schedule=Constant(), folder=folder / name)
    load_tensors(folder / "second" / "model.safetensors")
'''


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "two_stages.py").write_text(RECIPE)
    return str(tmp_path / "two_stages.py")


def test_every_stage_is_planned(showtell, recipe, tmp_path) -> None:
    ran = showtell("plan", recipe, "--width", "6", "--steps", "2", "--gpus", "4", "--on", "h200", "--json")
    first, second = json.loads(ran.out.splitlines()[-1])["stages"]
    assert (first["name"], first["steps"], second["steps"]) == ("first", 50, 70)
    assert first["parameters"] == 3 * 6 + 6 + 6 + 1 and first["tokens"] == 250
    assert first["seconds"] > 0 and first["memory"]["peak_bytes"] > 0 and first["elsewhere"]["hours"] > 0
    shown = showtell("plan", recipe, "--steps", "2").out
    for words in ("first", "50 x 5", "hours here", "peak memory", "a checkpoint"):
        assert words in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--on", "abacus"], "the accelerators known are"), (["--utilisation", "2"], "--utilisation in")],
)
def test_what_cannot_be_planned_is_refused(showtell, recipe, words, says) -> None:
    ran = showtell("plan", recipe, *words)
    assert ran.code == 2 and says in ran.err


def test_a_recipe_without_training(showtell, tmp_path) -> None:
    (tmp_path / "no_train.py").write_text("from pathlib import Path\ndef main(folder: Path = Path('x')) -> None: ...\n")
    assert "cannot be planned" in showtell("plan", str(tmp_path / "no_train.py")).err
