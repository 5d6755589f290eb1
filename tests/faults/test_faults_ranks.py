"""A rank that dies, leaves or hangs stops the others in a sentence that names it; the run goes on with who is there."""

import os
import time
from pathlib import Path

import mixed_task
import pytest
import torch
from engine_task import make_model, run
from fault_run import STEPS, die
from two_ranks import launch

from showtell.core.checkpoint import load_tensors
from showtell.core.errors import ShowtellError
from showtell.engine.flight import HUNG
from showtell.engine.sharding import Sharding


def task() -> torch.nn.Module:
    return make_model(dropout=0.0, dtype=torch.float64)  # dropout differs by rank; sums in float64 agree to 1e-10


def train_as_rank(rank: int, folder: Path, fault: str, after: int) -> None:
    """Rank 1 has a fault once it has made `after` steps."""

    def on_step(step: int, metrics: object) -> None:
        if rank == 1 and step == after:
            if fault == "dies":
                die()
            if fault == "hangs":
                time.sleep(600)
            if fault == "fails":
                raise ShowtellError("row 812 of train.jsonl is cut")

    try:
        run(folder, task(), micro_batches=2, max_steps=STEPS, save_every_steps=3, on_step=on_step, hang_seconds=2.0)
    except ShowtellError as error:
        (folder / f"said-{rank}").write_text(str(error))
        os._exit(2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("one")
    run(folder, task(), max_steps=STEPS)
    return load_tensors(folder / "model.safetensors")


def assert_goes_on(folder: Path, alone: dict[str, torch.Tensor]) -> None:
    for name, tensor in load_tensors(folder / "model.safetensors").items():
        torch.testing.assert_close(tensor, alone[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("dies_after", "then"), [(2, 1), (5, 1), (7, 2)])
def test_a_rank_that_dies(tmp_path, alone, dies_after, then):
    assert launch(train_as_rank, tmp_path, "dies", dies_after) == [2, -9]
    said = (tmp_path / "said-0").read_text()
    assert said.startswith("rank 0 of 2: another rank has died or left: rank 1 died without a word at step ")
    samples = range(12 * (dies_after - 1) + 9, 12 * dies_after)  # the second micro-batch of the second half
    assert f"step {dies_after}, in the log with samples {samples.start} to {samples.stop - 1} (killed" in said
    assert "resume from the last checkpoint" in said
    if then == 2:
        assert launch(train_as_rank, tmp_path, "none", 0) == [0, 0]
    else:  # the same global batches on one process
        assert run(tmp_path, task(), max_steps=STEPS, save_every_steps=3).finished
    assert_goes_on(tmp_path, alone)


def test_a_rank_that_stops_is_quoted(tmp_path):
    assert launch(train_as_rank, tmp_path, "fails", 4) == [2, 2]
    assert "rank 1 stopped (row 812 of train.jsonl is cut)" in (tmp_path / "said-0").read_text()


def test_a_rank_that_hangs(tmp_path, alone):
    assert launch(train_as_rank, tmp_path, "hangs", 5, said=tmp_path / "stderr") == [HUNG, HUNG]
    for rank in (0, 1):
        said = (tmp_path / f"stderr-{rank}").read_text()
        assert "has not moved for 2 s: rank 0 is in the vote of the ranks with samples 51 to 53" in said
        assert "rank 1 is in the log with samples 57 to 59" in said
        assert "in on_step" in (tmp_path / "stopped" / "hang-rank-1.txt").read_text()
    assert run(tmp_path, task(), max_steps=STEPS, save_every_steps=3).finished
    assert_goes_on(tmp_path, alone)


def train_cut(rank: int, folder: Path) -> None:
    def on_step(step: int, metrics: object) -> None:
        if rank == 1 and step == 5:
            die()

    try:
        mixed_task.run(folder, sharding=Sharding(), on_step=on_step, save_every_steps=2, save_in_background=True)
    except ShowtellError as error:
        (folder / f"said-{rank}").write_text(str(error))
        os._exit(2)


def test_a_rank_that_dies_with_its_part_of_the_weights(tmp_path):
    """What it had is in the checkpoint; the rank that is left goes on by itself."""
    assert launch(train_cut, tmp_path / "cut") == [2, -9]
    assert "rank 1 died without a word at step 5, in the log with samples" in (tmp_path / "cut" / "said-0").read_text()
    assert mixed_task.run(tmp_path / "cut").finished
    assert mixed_task.run(tmp_path / "alone").finished
    assert_goes_on(tmp_path / "cut", load_tensors(tmp_path / "alone" / "model.safetensors"))
    resumed = [line for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines() if '"resume"' in line]
    assert len(resumed) == 1 and '"step": 4' in resumed[0]
