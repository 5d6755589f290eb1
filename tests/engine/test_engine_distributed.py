"""Two gloo processes give the weights that one process gives on the same global batches."""

from pathlib import Path

import pytest
import torch
from engine_task import make_model, run
from two_ranks import launch

from showtell.core.checkpoint import load_tensors


def train_as_rank(rank: int, folder: Path, stop_after: int | None) -> None:
    model = make_model(dropout=0.0, dtype=torch.float64)
    if rank == 1:
        torch.nn.init.zeros_(model[0].weight)  # rank 1 starts elsewhere and must be told
    outcome = run(folder, model, micro_batches=2, max_steps=6, stop_after_steps=stop_after)
    assert outcome.reason == ("paused" if stop_after else "finished")


@pytest.mark.parametrize("stop_after", [None, 3])
def test_two_ranks_equal_one(tmp_path, stop_after):
    run(tmp_path / "one", make_model(dropout=0.0, dtype=torch.float64), max_steps=6)
    if stop_after:
        assert launch(train_as_rank, tmp_path / "two", stop_after) == [0, 0]
    assert launch(train_as_rank, tmp_path / "two", None) == [0, 0]
    one, two = (load_tensors(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-10, atol=1e-10)
