"""The keyed order is a bijection for every size, differs by epoch and seed, and costs no memory."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.data.order import Permutation, Unbounded, sample_index


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 700), seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 2**40))
def test_every_index_comes_once(n, seed, epoch):
    assert sorted(sample_index(seed, epoch, position, n) for position in range(n)) == list(range(n))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 10**15), seed=st.integers(0, 2**64), data=st.data())
def test_large_sizes_stay_in_range_and_do_not_collide(n, seed, data):
    positions = data.draw(st.lists(st.integers(0, n - 1), max_size=30, unique=True))
    indices = [sample_index(seed, 0, position, n) for position in positions]
    assert len(set(indices)) == len(indices)
    assert all(0 <= index < n for index in indices)


@pytest.mark.parametrize("position", [-1, 7, 100])
def test_a_position_outside_of_the_epoch_is_refused(position):
    with pytest.raises(ValueError, match="outside of an epoch of 7"):
        sample_index(0, 0, position, 7)


def test_epochs_and_seeds_have_their_own_orders():
    n = 101
    orders = {(seed, epoch): [sample_index(seed, epoch, p, n) for p in range(n)] for seed in (0, 1) for epoch in (0, 1)}
    assert len({tuple(order) for order in orders.values()}) == 4


def test_permutation_walks_epoch_after_epoch():
    order = Permutation(seed=3, size=13)
    epochs = [[order(position) for position in range(start, start + 13)] for start in (0, 13)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(13))] * 2
    assert epochs[0] != epochs[1]
    assert order(13 * 10**12 + 5) == sample_index(3, 10**12, 5, 13)


def test_neighbours_are_spread_like_a_random_order():
    """The mean distance of neighbours in a random order of n is about n/3; a weak network would keep them close."""
    n = 3000
    order = [sample_index(7, 2, position, n) for position in range(n)]
    distance = sum(abs(a - b) for a, b in pairwise(order)) / (n - 1)
    assert 0.30 * n < distance < 0.37 * n


def test_unbounded_is_the_position_itself():
    assert [Unbounded()(position) for position in (0, 5, 10**18)] == [0, 5, 10**18]
