"""The best weights are the result, a run that gets no better stops, and an interruption changes neither."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from engine_task import make, make_model, step

from showtell.core.checkpoint import load_tensors
from showtell.data.loader import Batches
from showtell.engine.evaluation import Evaluation
from showtell.engine.loop import LoopConfig, Outcome, train
from showtell.engine.optim import OptimizerConfig, make_optimizer
from showtell.engine.schedule import Constant
from showtell.engine.step import TrainingError

SCORES = {2: 3.0, 4: 2.0, 6: 2.5, 8: 2.0, 10: 1.99, 12: 5.0, 14: 5.0, 15: 0.0}


def go(
    folder: Path, scores: dict[int, float] = SCORES, *, stop_after: int | None = None, **options: object
) -> tuple[Outcome, torch.nn.Module]:
    """A run whose evaluations give the scores of a script; the model is that of the end."""
    model, now = make_model(), {"step": 0}
    if (folder / "log.jsonl").exists():
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        now["step"] = max(line["step"] for line in lines)
    outcome = train(
        LoopConfig(max_steps=15, ema_decay=0.5, log_every=1, stop_after_steps=stop_after),
        model=model,
        step=step,
        batches=Batches(make, torch.cat, batch_size=4),
        optimizer=make_optimizer(model, OptimizerConfig(lr=0.02)),
        schedule=Constant(),
        folder=folder,
        evaluation=Evaluation(check=lambda model: {"score": scores[now["step"]]}, score="score", every=2, **options),  # type: ignore[arg-type]
        on_step=lambda number, metrics: now.update(step=number),
    )
    return outcome, model


def evaluated(folder: Path) -> list[Sequence[float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(e["step"], e["score"], e["best"], e["best_step"]) for e in lines if e["event"] == "evaluation"]


def test_without_patience_the_run_goes_to_its_end_and_the_best_is_the_result(tmp_path):
    outcome, model = go(tmp_path)
    assert (outcome.reason, outcome.step) == ("finished", 15)
    assert [row[0] for row in evaluated(tmp_path)] == list(SCORES), "every second step, and the last one"
    assert evaluated(tmp_path)[-1][2:] == (0.0, 15)
    best = load_tensors(tmp_path / "best.safetensors")
    assert all(torch.equal(best[name], tensor) for name, tensor in model.state_dict().items())
    assert (tmp_path / "model.safetensors").read_bytes() != b""


def test_a_run_that_gets_no_better_stops_and_stays_stopped(tmp_path):
    outcome, model = go(tmp_path, patience=2)
    assert (outcome.reason, outcome.step, outcome.finished) == ("early", 8, True)
    assert evaluated(tmp_path)[-1] == (8, 2.0, 2.0, 4), "equal is not better"
    again, loaded = go(tmp_path, patience=2)
    assert again == outcome
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


@pytest.mark.parametrize(("better", "least", "best"), [("higher", 0.0, (5.0, 12)), ("lower", 0.5, (0.0, 15))])
def test_what_counts_as_better(tmp_path, better, least, best):
    go(tmp_path, better=better, least=least)
    assert evaluated(tmp_path)[-1][2:] == best


def test_interruptions_change_neither_the_best_nor_the_end(tmp_path):
    whole = go(tmp_path / "whole", patience=3)
    for _ in range(9):
        outcome, model = go(tmp_path / "cut", stop_after=3, patience=3)
        if outcome.finished:
            break
    assert outcome == whole[0]
    assert evaluated(tmp_path / "cut") == evaluated(tmp_path / "whole")
    for name in ("model.safetensors", "best.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole[1].parameters(), strict=True))


def test_a_score_that_is_none_stops_the_run(tmp_path):
    with pytest.raises(TrainingError, match="step 2: the score of the evaluation is nan"):
        go(tmp_path / "nan", {2: float("nan")})
    model = make_model()
    with pytest.raises(TrainingError, match="the evaluation gives other and no score"):
        train(
            LoopConfig(max_steps=1),
            model=model,
            step=step,
            batches=Batches(make, torch.cat, batch_size=4),
            optimizer=make_optimizer(model, OptimizerConfig()),
            schedule=Constant(),
            folder=tmp_path / "other",
            evaluation=Evaluation(check=lambda model: {"other": 1.0}, score="score", every=1),
        )
