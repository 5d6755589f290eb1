"""A disk that is full, a checkpoint that is cut or flipped: said in one sentence, and nothing is lost."""

import json
import os
import resource
import signal
from functools import partial
from pathlib import Path

import pytest
from engine_task import make_model, run
from fault_run import OPTIONS, go, in_child, outcome

from showtell.core.errors import CheckpointError
from showtell.engine.state import checkpoints
from showtell.engine.step import TrainingError


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    folder = tmp_path_factory.mktemp("whole")
    go(folder)
    return outcome(folder)


def with_small_files(limit: int, folder: Path, said: Path) -> None:
    """The run under a kernel that refuses the part of a file past `limit` bytes, as a full disk or a quota does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        run(folder, make_model(), **OPTIONS)
    except (CheckpointError, TrainingError) as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        said.write_text(str(error))
        os._exit(2)


@pytest.mark.parametrize("limit", [300, 900, 1400])
def test_a_kernel_that_refuses_to_write(tmp_path, uninterrupted, limit):
    """From the log line to the optimiser's file: whichever is refused first, the run stops and resumes to the bit."""
    folder = tmp_path / "run"
    go(folder, stop_after_steps=None, max_steps=3)
    (folder / "model.safetensors").unlink()
    assert in_child(partial(with_small_files, limit, folder, tmp_path / "said")) == 2
    assert "run the same command to resume" in (tmp_path / "said").read_text()
    assert not list(folder.rglob("*.tmp"))
    go(folder)
    assert outcome(folder) == uninterrupted


def test_a_log_on_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("showtell.engine.log.truncate_log", lambda path, step: None)  # /dev/full has no end to read
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"log\.jsonl cannot be written \(No space left on device\)"):
        run(tmp_path, make_model(), **OPTIONS)


@pytest.mark.parametrize("file", ["model", "optimizer", "ema"])
@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "gone", "swapped"])
def test_a_damaged_tensor_file_costs_one_checkpoint(tmp_path, uninterrupted, file, how):
    run(tmp_path, make_model(), **(OPTIONS | {"stop_after_steps": 6}))
    newest, before = checkpoints(tmp_path / "checkpoints")
    victim = newest / f"{file}.safetensors"
    content = bytearray(victim.read_bytes())
    if how == "gone":
        victim.unlink()
    else:
        content[len(content) // 2] ^= 1
        other = (before / victim.name).read_bytes()
        victim.write_bytes({"cut": content[:-9], "empty": b"", "flipped": content, "swapped": other}[how])
    go(tmp_path)
    assert outcome(tmp_path) == uninterrupted
    resumed = [
        json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines() if "resume" in line
    ]
    assert resumed == [3]


def test_when_every_checkpoint_is_damaged_the_run_stops_and_says_so(tmp_path):
    """Starting again at step 0 would throw away a week of work without a word."""
    run(tmp_path, make_model(), **(OPTIONS | {"stop_after_steps": 6}))
    for folder in checkpoints(tmp_path / "checkpoints"):
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints .* can be trusted; .* or delete"):
        go(tmp_path)
