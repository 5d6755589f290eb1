"""Killed anywhere - between steps, inside one, between two files of a checkpoint - a run resumes to the same bytes."""

import os
import signal
from functools import partial
from pathlib import Path

import engine_task
import pytest
from engine_task import make_model
from fault_run import OPTIONS, STEPS, die, dying_at_disk_call, go, in_child, outcome

from showtell.engine.state import checkpoints, damage


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    folder = tmp_path_factory.mktemp("whole")
    go(folder)
    figures, weights = outcome(folder)
    assert len(figures) == STEPS
    return figures, weights


def assert_resumes(folder: Path, uninterrupted: tuple[list[str], bytes], **options: int) -> None:
    """Go on in another process, with other workers, and compare; nothing half written may be left behind."""
    go(folder, **options)
    figures, weights = outcome(folder)
    assert figures == uninterrupted[0]
    assert weights == uninterrupted[1]
    left = [path.name for path in folder.rglob("*") if path.name.endswith(".tmp")]
    assert not left, "temporary files of the killed process are left for ever"
    assert [damage(folder) for folder in checkpoints(folder / "checkpoints")] == [None, None]


@pytest.mark.parametrize("number", range(1, 64, 2))
def test_killed_between_the_files_of_a_checkpoint(tmp_path, uninterrupted, number):
    """Three saves of five files: flushing, renaming, the manifest, the folder, the one that is deleted."""
    assert in_child(partial(dying_at_disk_call, number, tmp_path)) == -signal.SIGKILL
    assert_resumes(tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [1, 4, 8, 13, 16, 21, 26, 33, 41, 52])
def test_killed_while_a_checkpoint_is_written_in_the_background(tmp_path, uninterrupted, number):
    dying = partial(dying_at_disk_call, number, tmp_path, save_in_background=True)
    assert in_child(dying) == -signal.SIGKILL
    assert_resumes(tmp_path, uninterrupted, save_in_background=True)


def dying_in_step(number: int, folder: Path, workers: int) -> None:
    calls = 0
    real = engine_task.step

    def step(model, batch):
        nonlocal calls
        calls += 1
        loss = real(model, batch)
        if calls == number:
            die()
        return loss

    engine_task.step = step
    go(folder, workers=workers)


@pytest.mark.parametrize(("number", "workers", "later"), [(1, 0, 2), (2, 2, 0), (4, 1, 3), (6, 3, 1), (9, 0, 0)])
def test_killed_inside_a_step_and_resumed_with_other_workers(tmp_path, uninterrupted, number, workers, later):
    assert in_child(partial(dying_in_step, number, tmp_path, workers)) == -signal.SIGKILL
    assert_resumes(tmp_path, uninterrupted, workers=later)


def dying_after_step(number: int, folder: Path, how: signal.Signals) -> None:
    def on_step(step: int, metrics: object) -> None:
        if step == number:
            os.kill(os.getpid(), how)

    done = engine_task.run(folder, make_model(), on_step=on_step, **OPTIONS)
    os._exit(0 if done.reason == "interrupted" else 7)


@pytest.mark.parametrize("number", [1, 3, 5, 8])
def test_killed_after_a_step(tmp_path, uninterrupted, number):
    assert in_child(partial(dying_after_step, number, tmp_path, signal.SIGKILL)) == -signal.SIGKILL
    assert_resumes(tmp_path, uninterrupted)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("number", [1, 4, 6])
def test_a_polite_signal_saves_the_step_it_came_in(tmp_path, uninterrupted, how, number):
    assert in_child(partial(dying_after_step, number, tmp_path, how)) == 0
    assert checkpoints(tmp_path / "checkpoints")[0].name == f"step-{number:08d}"
    assert_resumes(tmp_path, uninterrupted)


def test_killed_again_and_again(tmp_path, uninterrupted):
    """A machine that dies every few moments still gets there, as long as a checkpoint fits in between."""
    deaths = 0
    for number in (1, 9, 20, 23, 26, 40, 41):
        deaths += in_child(partial(dying_at_disk_call, number, tmp_path)) == -signal.SIGKILL
    assert deaths >= 4
    assert_resumes(tmp_path, uninterrupted)
