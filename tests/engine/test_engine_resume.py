"""A resumed run is the same run: same losses, same weights, bit for bit, however it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_task import STEPS, make_model, run

from showtell.core.errors import CheckpointError

ROOT = Path(__file__).parents[2]


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"], line["grad_norm"], line["worst"]) for line in lines if line["event"] == "step"]


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, make_model()).finished
    assert [step for step, *_ in losses(folder)] == list(range(1, STEPS + 1))
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_pausing_and_resuming_changes_nothing(tmp_path, uninterrupted, workers):
    reasons = [run(tmp_path, make_model(), workers=workers, stop_after_steps=7).reason for _ in range(4)]
    assert reasons == ["paused"] * 3 + ["finished"]
    assert losses(tmp_path) == losses(uninterrupted)
    assert weights(tmp_path) == weights(uninterrupted)


def test_a_finished_stage_only_loads_its_result(tmp_path, uninterrupted):
    first, again = make_model(), make_model()
    run(tmp_path, first)
    before = weights(tmp_path)
    assert run(tmp_path, again).finished
    assert weights(tmp_path) == before
    assert all((a == b).all() for a, b in zip(first.parameters(), again.parameters(), strict=True))


def start(folder, workers=0, pause=0.05):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("engine_task.py")), str(folder), str(workers), str(pause)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for_step(folder, step):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "log.jsonl").exists() and f'"step": {step},' in (folder / "log.jsonl").read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"the run never reached step {step}")


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 0)])
def test_a_signal_saves_and_resumes(tmp_path, uninterrupted, number, workers):
    process = start(tmp_path, workers)
    wait_for_step(tmp_path, 5)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    stopped = losses(tmp_path)[-1][0]
    assert 5 <= stopped < STEPS
    assert f"interrupted at step {stopped}; run the same command to resume" in said
    assert (tmp_path / "checkpoints" / f"step-{stopped:08d}").is_dir()
    assert run(tmp_path, make_model(), workers=1).finished
    assert losses(tmp_path) == losses(uninterrupted)
    assert weights(tmp_path) == weights(uninterrupted)


def test_kill_9_resumes_and_leaves_no_worker_behind(tmp_path, uninterrupted):
    process = start(tmp_path, workers=2)
    wait_for_step(tmp_path, 8)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text().split() if children.exists() else []
    process.kill()
    process.communicate()
    logged = losses(tmp_path)[-1][0]
    newest = sorted((tmp_path / "checkpoints").glob("step-*"))[-1]
    assert int(newest.name[5:]) <= logged < STEPS
    assert run(tmp_path, make_model()).finished
    assert losses(tmp_path) == losses(uninterrupted)
    assert weights(tmp_path) == weights(uninterrupted)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "manifest.json", "state.json"])
@pytest.mark.parametrize("how", ["cut", "gone", "flipped"])
def test_a_damaged_checkpoint_is_reported_and_skipped(tmp_path, uninterrupted, capsys, file, how):
    run(tmp_path, make_model(), stop_after_steps=12, save_every_steps=4)
    victim = tmp_path / "checkpoints" / "step-00000012" / file
    content = victim.read_bytes()
    if how == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content[: len(content) // 2] if how == "cut" else content[:-2] + b"\x00" + content[-1:])
    capsys.readouterr()
    assert run(tmp_path, make_model()).finished
    said = capsys.readouterr().out
    assert "step-00000012 is damaged" in said and "resume at step 8" in said
    assert losses(tmp_path) == losses(uninterrupted)
    assert weights(tmp_path) == weights(uninterrupted)


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    run(tmp_path, make_model(), save_every_steps=5, keep=3)
    assert [f.name[-2:] for f in sorted((tmp_path / "checkpoints").iterdir())] == ["15", "20", "24"]


def test_another_data_order_is_not_a_resume(tmp_path):
    run(tmp_path, make_model(), stop_after_steps=2)
    with pytest.raises(CheckpointError, match="started with seed = 0 and is now asked to go on with 1"):
        run(tmp_path, make_model(), seed=1)


def test_another_model_is_not_a_resume(tmp_path):
    run(tmp_path, make_model(), stop_after_steps=2)
    other = make_model()
    other.append(other[0].__class__(1, 1))
    with pytest.raises(CheckpointError, match=r"2 tensors are missing from the file, first: 5\.bias"):
        run(tmp_path, other)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, uninterrupted):
    run(tmp_path, make_model(), stop_after_steps=4)
    import showtell.engine.saver as saver

    def full(tensors, path, metadata=None):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(saver, "save_tensors", full)
        with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\); the one before"):
            run(tmp_path, make_model(), stop_after_steps=4)
    assert [f.name for f in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]
    assert run(tmp_path, make_model()).finished
    assert weights(tmp_path) == weights(uninterrupted)
