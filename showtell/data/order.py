"""Which sample stands at which position of a run: a keyed permutation instead of a shuffle buffer.

    position  0  1  2  3 | 4  5  6  7 | ...          n = 4 samples, epoch = position // n
    index     2  0  3  1 | 1  2  0  3 | ...          another permutation each epoch

A Feistel network (Luby and Rackoff 1988) permutes the integers below a power of four; walking along its cycle until
the value is below n (Black and Rogaway 2002) restricts it to [0, n) for any n. One lookup costs O(1) time and no
memory, so the state of a training run is its step number and resuming at step ten million is as quick as at step one.
Mixtures of several sources are `data/mixture.py`.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol, runtime_checkable

ROUNDS = 6
MASK64 = (1 << 64) - 1


@runtime_checkable
class Order(Protocol):
    """Index of the sample at a global position of the run (0, 1, 2, ... over all epochs)."""

    def __call__(self, position: int) -> int: ...


@dataclass(frozen=True)
class Unbounded:
    """For procedural worlds that never end: the sample is named by its position."""

    def __call__(self, position: int) -> int:
        return position


@dataclass(frozen=True)
class Permutation:
    """Endless epochs over `size` samples, each epoch in its own order.

    seed: another seed, another sequence of orders.
    size: number of samples.
    """

    seed: int
    size: int

    def __call__(self, position: int) -> int:
        epoch, place = divmod(position, self.size)
        return sample_index(self.seed, epoch, place, self.size)


@dataclass(frozen=True)
class Windowed:
    """Endless epochs over groups (shards, row groups) that stays inside of a few of them at a time.

        epoch: permute the groups | take `window` of them | permute their samples | take the next `window` ...

    A disk or a network then reads near to where it just was, and a table decompresses each group once. Every sample
    comes once an epoch, as with `Permutation`; neighbours come from the same few groups.

    seed: another seed, another order.
    groups: samples of each group.
    window: groups that are mixed with one another.
    """

    seed: int
    groups: tuple[int, ...]
    window: int = 8
    _epochs: dict[int, tuple[list[int], list[int], list[int]]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        return sum(self.groups)

    def __call__(self, position: int) -> int:
        epoch, place = divmod(position, self.size)
        groups, ends, starts = self._layout(epoch)
        number = bisect_right(ends, place) // self.window * self.window  # first group of the window
        last = min(number + self.window, len(groups)) - 1
        start = ends[number] - self.groups[groups[number]]
        mixed = start + sample_index(self.seed + 1 + number, epoch, place - start, ends[last] - start)
        at = bisect_right(ends, mixed)
        inside = mixed - (ends[at] - self.groups[groups[at]])
        return starts[groups[at]] + inside

    def _layout(self, epoch: int) -> tuple[list[int], list[int], list[int]]:
        """The groups of an epoch in their order, where each ends in it, and where each starts in the source; kept for
        the current epoch only."""
        if epoch not in self._epochs:
            self._epochs.clear()
            count = len(self.groups)
            groups = [sample_index(self.seed, epoch, place, count) for place in range(count)]
            ends = list(accumulate(self.groups[group] for group in groups))
            self._epochs[epoch] = (groups, ends, [0, *accumulate(self.groups)])
        return self._epochs[epoch]


def sample_index(seed: int, epoch: int, position: int, n: int) -> int:
    """Index in [0, n) of the sample at `position` in [0, n) of an epoch; a bijection for each (seed, epoch).

    Raises ValueError when the position is outside [0, n).
    """
    if not 0 <= position < n:
        raise ValueError(f"position {position} is outside of an epoch of {n} samples")
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    key = _mix(_mix(seed & MASK64) ^ (epoch & MASK64))
    value = _feistel(position, half, key)
    while value >= n:  # the domain is below 4n, so this takes four turns on average at the very most
        value = _feistel(value, half, key)
    return value


def _feistel(value: int, half: int, key: int) -> int:
    """A permutation of [0, 4**half): each round is undone by the same round, whatever the mixing function is."""
    mask = (1 << half) - 1
    left, right = value >> half, value & mask
    for turn in range(ROUNDS):
        left, right = right, left ^ (_mix(key ^ (turn << 56) ^ right) & mask)
    return left << half | right


def _mix(x: int) -> int:
    """splitmix64's finaliser (Steele et al. 2014): every input bit reaches every output bit."""
    x = (x + 0x9E3779B97F4A7C15) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)
