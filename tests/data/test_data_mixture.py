"""Mixtures keep their shares exactly, walk each source once before repeating, and are a function of the position."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.core.errors import ConfigError
from showtell.data.mixture import Joined, Mixture
from showtell.data.order import Windowed
from showtell.data.record import make_record


class Numbers:
    def __init__(self, name: str, size: int):
        self.name, self.size = name, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int):
        return make_record(f"{self.name}{index}")


def test_joined_sources_are_one():
    joined = Joined([Numbers("a", 2), Numbers("b", 1), Numbers("c", 3)])
    assert [joined[i].where for i in range(len(joined))] == ["a0", "a1", "b0", "c0", "c1", "c2"]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**64),
    parts=st.lists(st.tuples(st.integers(1, 50), st.floats(0.5, 20)), min_size=1, max_size=5),
    block=st.integers(60, 200),
    first=st.integers(0, 10**9),
)
def test_every_block_holds_its_shares_and_every_source_its_own_epochs(seed, parts, block, first):
    sizes, weights = zip(*parts, strict=True)
    mixture = Mixture(seed, sizes, weights, block=block)
    assert sum(mixture.slots) == block
    assert all(abs(s - block * w / sum(weights)) < 1 for s, w in zip(mixture.slots, weights, strict=True))
    places = range(first * block, (first + 1) * block)
    drawn = [mixture.source_at(position) for position in places]
    counts = Counter(number for number, _ in drawn)
    assert [counts[number] for number in range(len(sizes))] == list(mixture.slots)
    for number, slots in enumerate(mixture.slots):
        assert sorted(nth for n, nth in drawn if n == number) == list(range(first * slots, (first + 1) * slots))


def test_each_source_is_walked_once_before_it_repeats():
    mixture = Mixture(3, (7, 40), (1.0, 3.0), block=8)
    indices = [mixture(position) for position in range(8 * 14)]
    small = [index for index in indices if index < 7]
    assert len(small) == 28
    assert all(sorted(small[start : start + 7]) != small[start : start + 7] for start in range(0, 28, 7))
    large = [index for index in indices if index >= 7]
    # Within a block the items of one source come shuffled, so whole epochs end on block borders only.
    assert Counter(small) == dict.fromkeys(range(7), 4)
    assert set(large[:42]) <= set(range(7, 47)) and len(set(large[:36])) == 36


@pytest.mark.parametrize(
    ("sizes", "weights", "says"),
    [((3,), (1.0, 2.0), "give one each"), ((3, 0), (1.0, 1.0), "source 1 of the mixture is empty"),
     ((3, 3), (1.0, 10**6), "gives no slot in a block of 1000"), ((3, 3), (1.0, 0.0), "leave the source out")],
)  # fmt: skip
def test_a_mixture_that_cannot_be_is_refused(sizes, weights, says):
    with pytest.raises(ConfigError, match=says):
        Mixture(0, sizes, weights)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    groups=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    window=st.integers(1, 5),
    epoch=st.integers(0, 5),
)
def test_a_windowed_order_is_a_bijection_that_stays_near(seed, groups, window, epoch):
    order = Windowed(seed, tuple(groups), window)
    indices = [order(epoch * order.size + place) for place in range(order.size)]
    assert sorted(indices) == list(range(order.size))
    group_of = [number for number, size in enumerate(groups) for _ in range(size)]
    seen: list[int] = []
    for index in indices:
        if group_of[index] not in seen:
            seen.append(group_of[index])
    left = list(seen)
    for start in range(0, len(seen), window):  # a window is finished before the next begins
        together = sum(groups[group] for group in seen[start : start + window])
        here, indices = indices[:together], indices[together:]
        assert {group_of[index] for index in here} == set(left[start : start + window])


def test_empty_groups_are_stepped_over():
    order = Windowed(1, (0, 3, 0, 0, 2, 0), 2)
    assert sorted(order(place) for place in range(5)) == list(range(5))
