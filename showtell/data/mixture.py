"""Several sources as one, in fixed shares, as a pure function of the position.

    weights 3 : 1     block 0: a a b a | block 1: b a a a | ...       every block holds exactly its shares
    b of block k    = the k-th item of b's own permutation             each source is walked once before it repeats

A position is cut into (block, place); a keyed permutation of the block says which slot the place is; the slot says
which source, and how many items of that source came before. So the sample at any position costs O(log sources), a
resumed or resized run sees the same mixture, and no counter of any source is ever stored.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from showtell.core.errors import ConfigError
from showtell.data.order import Permutation, sample_index
from showtell.data.record import Record, Source


class Joined:
    """Sources one after another: the indices of the second follow those of the first."""

    def __init__(self, sources: Sequence[Source]):
        self.sources = list(sources)
        self.ends = list(accumulate(len(source) for source in self.sources))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Record:
        number = bisect_right(self.ends, index)
        return self.sources[number][index - self.ends[number] + len(self.sources[number])]


@dataclass(frozen=True)
class Mixture:
    """The order of a `Joined` source by weight.

    seed: of the permutations.
    sizes: items of each source.
    weights: shares, in any unit; rounded to whole slots of a block.
    block: positions after which the shares are exact.

    Raises ConfigError when a share rounds to no slot at all, or a source is empty.
    """

    seed: int
    sizes: tuple[int, ...]
    weights: tuple[float, ...]
    block: int = 1000

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.weights) or not self.sizes:
            raise ConfigError(f"a mixture of {len(self.sizes)} sources has {len(self.weights)} weights; give one each")
        if min(self.sizes) < 1:
            raise ConfigError(f"source {self.sizes.index(min(self.sizes))} of the mixture is empty; leave it out")
        if min(self.weights) <= 0 or min(self.slots) < 1:
            raise ConfigError(
                f"weight {min(self.weights)} of {sum(self.weights)} gives no slot in a block of {self.block}; "
                "make the block larger or leave the source out"
            )

    @property
    def slots(self) -> tuple[int, ...]:
        """Slots of a block for each source, by largest remainder; their sum is the block."""
        exact = [self.block * weight / sum(self.weights) for weight in self.weights]
        slots = [int(share) for share in exact]
        by_remainder = sorted(range(len(exact)), key=lambda i: (slots[i] - exact[i], i))
        for i in by_remainder[: self.block - sum(slots)]:
            slots[i] += 1
        return tuple(slots)

    def source_at(self, position: int) -> tuple[int, int]:
        """(number of the source, how many of its items came before) at a position."""
        slots = self.slots
        block, place = divmod(position, self.block)
        slot = sample_index(self.seed, block, place, self.block)
        ends = list(accumulate(slots))
        number = bisect_right(ends, slot)
        return number, block * slots[number] + slot - (ends[number] - slots[number])

    def __call__(self, position: int) -> int:
        number, nth = self.source_at(position)
        return sum(self.sizes[:number]) + Permutation(self.seed + 1 + number, self.sizes[number])(nth)
