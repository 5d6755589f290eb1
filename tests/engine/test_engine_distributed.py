"""Two gloo processes give the weights that one process gives on the same global batches."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from engine_task import make_model, run

from showtell.core.checkpoint import load_tensors


def train_as_rank(rank: int, port: int, folder: Path, stop_after: int | None) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
    model = make_model(dropout=0.0, dtype=torch.float64)
    if rank == 1:
        torch.nn.init.zeros_(model[0].weight)  # rank 1 starts elsewhere and must be told
    outcome = run(folder, model, micro_batches=2, max_steps=6, stop_after_steps=stop_after)
    assert outcome.reason == ("paused" if stop_after else "finished")
    torch.distributed.destroy_process_group()


def launch(folder: Path, stop_after: int | None = None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # torch is imported already: a second instead of ten
    ranks = [context.Process(target=train_as_rank, args=(rank, port, folder, stop_after)) for rank in (0, 1)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=120)
    codes = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()
    assert codes == [0, 0]


@pytest.mark.parametrize("stop_after", [None, 3])
def test_two_ranks_equal_one(tmp_path, stop_after):
    run(tmp_path / "one", make_model(dropout=0.0, dtype=torch.float64), max_steps=6)
    if stop_after:
        launch(tmp_path / "two", stop_after)
    launch(tmp_path / "two")
    one, two = (load_tensors(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-10, atol=1e-10)
