"""Batches are a function of the step alone, arrive in order, and a broken sample or worker is named, never a hang."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from showtell.core.errors import ConfigError, DataError
from showtell.data.loader import Batches, Pieces
from showtell.data.sample import sample_rng


def make(position):
    return position, torch.from_numpy(sample_rng(5, position).random(3))


def collate(samples):
    return {"position": [p for p, _ in samples], "x": torch.stack([x for _, x in samples])}


def take(batches, count, step=0, rank=0, world_size=1):
    with batches.start(step, rank, world_size) as stream:
        return [next(stream) for _ in range(count)]


def equal(a, b):
    return a["position"] == b["position"] and torch.equal(a["x"], b["x"])


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_the_number_of_workers_changes_nothing(workers):
    batches = Batches(make, collate, batch_size=6, micro_batches=2, workers=workers)
    taken = take(batches, 7)
    assert [b["position"] for b in taken] == [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(7)]
    inline = [collate([make(p) for p in b["position"]]) for b in taken]
    assert all(equal(a, b) for a, b in zip(taken, inline, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_starting_late_gives_the_rest_of_the_run(workers):
    batches = Batches(make, collate, batch_size=4, micro_batches=2, workers=workers)
    whole, rest = take(batches, 10), take(batches, 4, step=3)
    assert all(equal(a, b) for a, b in zip(whole[6:], rest, strict=True))


def test_forkserver_gives_the_same_batches():
    taken = take(Batches(make, collate, batch_size=2, workers=2, method="forkserver"), 3)
    assert [b["position"] for b in taken] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_ranks_cut_the_same_global_batch(world_size):
    for step in (0, 4):
        for micro_batches in (1, 2):
            pieces = [
                Pieces(batch_size=12, micro_batches=micro_batches, rank=rank, world_size=world_size)
                for rank in range(world_size)
            ]
            seen = [p for r in pieces for m in range(micro_batches) for p in r.positions(step * micro_batches + m)]
            assert seen == list(range(step * 12, step * 12 + 12))


def test_a_batch_that_cannot_be_cut_evenly_is_refused():
    with pytest.raises(ConfigError, match="batch_size 6 cannot be cut evenly into 2 ranks x 2 micro-batches"):
        Batches(make, collate, batch_size=6, micro_batches=2).start(0, 0, 2)


def broken_at_five(position):
    if position == 5:
        raise KeyError("colour")
    return position


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_broken_sample_is_named_after_the_good_batches_before_it(workers):
    with Batches(broken_at_five, list, batch_size=2, workers=workers).start() as stream:
        assert [next(stream), next(stream)] == [[0, 1], [2, 3]]
        with pytest.raises(DataError, match="sample at position 5 could not be made: KeyError: 'colour'"):
            next(stream)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_collate_is_named(workers):
    with (
        Batches(make, lambda samples: 1 / 0, batch_size=3, workers=workers).start() as stream,
        pytest.raises(DataError, match="positions 0 to 2 could not be collated: ZeroDivisionError"),
    ):
        next(stream)


def dies_at_five(position):
    if position == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return position


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_is_an_error_not_a_hang(workers):
    with Batches(dies_at_five, list, batch_size=2, workers=workers).start() as stream:
        assert [next(stream), next(stream)] == [[0, 1], [2, 3]]
        with pytest.raises(DataError, match=r"died \(exit code -9\) while making the samples at positions 4 to 5"):
            next(stream)


def test_an_error_stays_an_error():
    """Asking again after a failure must not block for ever."""
    with Batches(broken_at_five, list, batch_size=6).start() as stream:
        for _ in range(2):
            with pytest.raises(DataError, match="position 5"):
                next(stream)


def test_what_is_ready_is_bounded(tmp_path):
    """A slow reader does not make the workers run away: each holds one, the queue two, the thread one."""

    def counted(position):
        (tmp_path / str(position)).touch()
        return np.zeros(2_000_000, dtype=np.uint8)  # larger than any pipe

    with Batches(counted, list, batch_size=1, workers=2, prefetch=2).start() as stream:
        next(stream)
        time.sleep(0.5)
        assert 3 <= len(list(tmp_path.iterdir())) <= 7


def test_waiting_is_measured():
    def slow(position):
        time.sleep(0.05)
        return position

    with Batches(slow, list, batch_size=2).start() as stream:
        next(stream)
        assert stream.take_wait() >= 0.08
        assert stream.take_wait() == 0


def test_tensors_of_every_kind_survive_the_pipe():
    def kinds(position):
        return {
            "half": torch.ones(2, dtype=torch.bfloat16) * position,
            "view": torch.arange(6).view(2, 3).T,
            "empty": torch.zeros(0, 3),
            "bool": torch.tensor(True),
        }

    (batch,) = take(Batches(kinds, lambda samples: samples[0], batch_size=1, workers=1), 1, step=3)
    assert batch["half"].dtype == torch.bfloat16 and batch["half"].tolist() == [3, 3]
    assert batch["view"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert batch["empty"].shape == (0, 3) and batch["bool"].item() is True
    batch["view"][0, 0] = 9  # writable


def test_workers_leave_with_their_stream():
    stream = Batches(make, collate, batch_size=2, workers=2).start()
    next(stream)
    processes = stream._workers.processes
    stream.close()
    stream.close()
    assert not any(process.is_alive() for process in processes)
