"""Dice: one block of random numbers, handed out one at a time.

A picture needs a few hundred single random decisions. One call of NumPy's generator costs about a microsecond; a number
from a list costs a twentieth of it. The block is a pure function of its key (Philox, a counter-based generator), so a
picture is a function of (seed, index, split) on every machine and in every worker.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_MASK = (1 << 64) - 1


def keyed(seed: int, index: int, stream: int = 0) -> "Dice":
    """The dice of (seed, index, stream): the same numbers on every machine, unrelated to those of any other key."""
    key = np.array((seed & _MASK, stream & _MASK), dtype=np.uint64)
    counter = np.array((0, 0, 0, index & _MASK), dtype=np.uint64)
    return Dice(np.random.Generator(np.random.Philox(key=key, counter=counter)))


class Dice:
    """Random numbers of a generator, drawn in blocks."""

    def __init__(self, generator: np.random.Generator, block: int = 160) -> None:
        self._generator = generator
        self._block = block
        self._numbers: list[float] = []

    def next(self) -> float:
        """A number in [0, 1)."""
        if not self._numbers:
            self._numbers = self._generator.random(self._block).tolist()
        return self._numbers.pop()

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + self.next() * (high - low)

    def below(self, n: int) -> int:
        """A whole number in 0..n-1."""
        return int(self.next() * n)

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self.next() < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all alike."""
        return options[int(self.next() * len(options))]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of the (option, weight) pairs by weight."""
        mark = self.next() * sum(weight for _, weight in options)
        for option, weight in options:
            mark -= weight
            if mark < 0:
                return option
        return options[-1][0]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All options in random order."""
        return [option for _, option in sorted(((self.next(), i), option) for i, option in enumerate(options))]
