"""Cuts by cost: every sample once, never over the budget, as many micro-batches on each rank, work in balance."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import ConfigError
from showtell.data.budget import Budget, Budgeted, Cost, cut
from showtell.data.loader import Batches
from showtell.data.sample import sample_rng

COSTS = st.lists(st.builds(Cost, st.integers(1, 64), st.floats(0.1, 100)), min_size=5, max_size=60)


@settings(max_examples=40)
@given(costs=COSTS, ranks=st.integers(1, 5), padded=st.booleans(), budget=st.integers(64, 300))
def test_a_cut_is_a_partition_within_the_budget(costs, ranks, padded, budget):
    costs = costs[: len(costs) // ranks * ranks]
    given_out = cut(costs, budget, ranks, padded)
    assert sorted(i for rank in given_out for piece in rank for i in piece) == list(range(len(costs)))
    assert len({len(rank) for rank in given_out}) == 1 and all(piece for rank in given_out for piece in rank)
    for piece in (piece for rank in given_out for piece in rank):
        lengths = [costs[i].tokens for i in piece]
        assert (max(lengths) * len(piece) if padded else sum(lengths)) <= budget
    assert given_out == cut(costs, budget, ranks, padded)


def documents(position: int) -> Cost:
    """Rows of 64 to 2,048 tokens; a third of them with a picture that costs as much as 2,000 tokens of text."""
    rng = sample_rng(3, position)
    picture = 2000.0 * float(rng.random() < 1 / 3)
    tokens = int(2 ** rng.uniform(6, 11))
    return Cost(tokens, tokens + picture)


def test_work_is_balanced_and_padding_small():
    costs = [documents(position) for position in range(512)]
    given_out = cut(costs, 4096, 8)
    work = [sum(costs[i].work for piece in rank for i in piece) for rank in given_out]
    slices = [sum(cost.work for cost in costs[64 * rank : 64 * rank + 64]) for rank in range(8)]
    assert max(work) / (sum(work) / 8) < 1.05 < max(slices) / (sum(slices) / 8)
    pieces = [[costs[i].tokens for i in piece] for rank in given_out for piece in rank]
    used = sum(map(sum, pieces)) / sum(max(piece) * len(piece) for piece in pieces)
    assert used > 0.9
    packed = cut(costs, 4096, 8, padded=False)
    assert len(packed[0]) * 8 * 4096 < 1.25 * sum(cost.tokens for cost in costs)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_of_any_cut_hold_the_samples_of_their_step(workers):
    budget = Budget(cost=lambda position: Cost(1 + position * 7 % 11, 1.0), tokens=22)
    batches = Batches(lambda p: p, list, batch_size=8, workers=workers, budget=budget)
    for first in (0, 2):
        streams = [batches.start(first, rank, 2) for rank in (0, 1)]
        for step in range(first, first + 3):
            assert streams[0].pieces(step) == streams[1].pieces(step) > 1
            seen = []
            for stream in streams:
                for _ in range(stream.pieces(step)):
                    expected = stream.positions()
                    got = next(stream)
                    assert got == list(expected) and max(1 + p * 7 % 11 for p in got) * len(got) <= 22
                    seen += got
            assert sorted(seen) == list(range(8 * step, 8 * step + 8))
        for stream in streams:
            stream.close()


def test_a_sample_over_the_budget_and_too_few_samples_are_refused():
    with pytest.raises(ConfigError, match="sample 1 of a batch has 70 tokens, more than the budget of 64"):
        cut([Cost(3, 1), Cost(70, 1)], 64, 1)
    with pytest.raises(ConfigError, match="a batch of 1 samples cannot be shared by 2 ranks; make it a multiple"):
        cut([Cost(3, 1)], 64, 2)


def test_slices_that_differ_by_one_sample():
    batches = Batches(lambda p: p, list, batch_size=7, micro_batches=2, uneven=True)
    taken = []
    for rank in range(3):
        with batches.start(1, rank, 3) as stream:
            taken += [next(stream) for _ in range(2)]
    assert sorted(p for piece in taken for p in piece) == list(range(7, 14))
    assert {len(piece) for piece in taken} == {1, 2}
    with pytest.raises(ConfigError, match="cannot be cut evenly"):
        Batches(lambda p: p, list, batch_size=5, micro_batches=2, uneven=True).start(0, 0, 3)


def test_the_memory_of_a_cut_stays_small():
    cut_ = Budgeted(Budget(cost=lambda position: Cost(2, 1.0), tokens=8), 4, 0, 1)
    for step in range(50):
        assert cut_.count(step) == 1
    assert len(cut_._known) <= 3 and 28 in cut_.positions(cut_.first(7))
