"""A rank that dies stops the others at once; the run goes on with as many processes as there are then."""

import multiprocessing
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_task import make_model, run
from fault_run import STEPS, die

from showtell.core.checkpoint import load_tensors
from showtell.engine.step import TrainingError


def task() -> torch.nn.Module:
    return make_model(dropout=0.0, dtype=torch.float64)  # dropout differs by rank; sums in float64 agree to 1e-10


def train_as_rank(rank: int, port: int, folder: Path, dies_after: int | None) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}

    def on_step(step: int, metrics: object) -> None:
        if rank == 1 and step == dies_after:
            die()

    try:
        run(folder, task(), micro_batches=2, max_steps=STEPS, save_every_steps=3, on_step=on_step)
    except TrainingError as error:
        (folder / f"said-{rank}").write_text(str(error))
        os._exit(2)
    os._exit(0)


def launch(folder: Path, dies_after: int | None = None) -> list[int | None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context: Any = multiprocessing.get_context("fork")
    ranks = [context.Process(target=train_as_rank, args=(rank, port, folder, dies_after)) for rank in (0, 1)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=60)
    codes = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()
    return codes


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("one")
    run(folder, task(), max_steps=STEPS)
    return load_tensors(folder / "model.safetensors")


@pytest.mark.parametrize(("dies_after", "then"), [(2, 1), (5, 1), (7, 2)])
def test_a_rank_that_dies(tmp_path, alone, dies_after, then):
    began = time.monotonic()
    assert launch(tmp_path, dies_after) == [2, -9]
    assert time.monotonic() - began < 30
    said = (tmp_path / "said-0").read_text()
    assert said.startswith("rank 0 of 2: another rank has died or left") and "resume from the last checkpoint" in said
    if then == 2:
        assert launch(tmp_path) == [0, 0]
    else:  # the same global batches on one process
        assert run(tmp_path, task(), max_steps=STEPS, save_every_steps=3).finished
    for name, tensor in load_tensors(tmp_path / "model.safetensors").items():
        torch.testing.assert_close(tensor, alone[name], rtol=1e-10, atol=1e-10)
