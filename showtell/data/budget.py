"""Micro-batches by what their samples cost, instead of by how many they are.

    a step's samples    ---- ---------- -- --- -------- -- -----        the same samples however they are cut:
    by length, cut      [---------- --------]  [----- ----]  [--- -- --]    the gradient is a sum over all of them
    padded              widest x count <= tokens                            (`engine/gradient.py`)
    packed              sum of lengths <= tokens
    ranks               rounds of equal work: in each, the most work to the rank that has done the least

Costs come from headers (`fusion/image_plan.py`): tokens are what memory is made of, work (operations of the tower and
the decoder) is what time is made of; two samples of equal length can differ tenfold in work when one is all picture.
Every rank computes the whole cut of a step by itself and takes its part, so nothing is sent, every rank has the same
number of micro-batches, and a run resumes at any step. Rows that hold several samples are `instruct/packing.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from showtell.core.errors import ConfigError

STRIDE = 1 << 20  # numbers of micro-batches that a step may use
EVEN, SPLITS = (
    1.03,
    4,
)  # work of the slowest rank over the mean that is good enough, and how often pieces are halved for it


@dataclass(frozen=True)
class Cost:
    """Of one sample.

    tokens: of its row, those of its pictures included.
    work: floating-point operations, or anything in proportion to its time.
    """

    tokens: int
    work: float


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a micro-batch may cost.

    cost: of the sample at a position; pure, and quick, because each process asks for every sample of a step.
    tokens: most tokens of one micro-batch, padding included.
    padded: rows are padded to the longest of their micro-batch; False = they are packed without padding.
    """

    cost: Callable[[int], Cost]
    tokens: int
    padded: bool = True


@dataclass
class Budgeted:
    """The cut of every step, for one rank (`data.loader.Cut`)."""

    budget: Budget
    batch_size: int
    rank: int
    world_size: int
    _known: dict[int, list[list[int]]] = field(default_factory=dict, repr=False, compare=False)

    def first(self, step: int) -> int:
        return step * STRIDE

    def after(self, piece: int) -> int:
        step, micro = divmod(piece, STRIDE)
        return piece + 1 if micro + 1 < self.count(step) else self.first(step + 1)

    def count(self, step: int) -> int:
        return len(self._of(step))

    def positions(self, piece: int) -> list[int]:
        step, micro = divmod(piece, STRIDE)
        return self._of(step)[micro]

    def _of(self, step: int) -> list[list[int]]:
        known = self._known.get(step)
        if known is None:
            start = step * self.batch_size
            costs = [self.budget.cost(position) for position in range(start, start + self.batch_size)]
            pieces = cut(costs, self.budget.tokens, self.world_size, self.budget.padded)[self.rank]
            known = [[start + index for index in piece] for piece in pieces]
            self._known = {s: pieces for s, pieces in self._known.items() if s > step - 3} | {step: known}
        return known


def cut(costs: Sequence[Cost], tokens: int, ranks: int, padded: bool = True) -> list[list[list[int]]]:
    """For each rank its micro-batches, as indices into the costs; every rank has the same number of them.

    Raises ConfigError when a sample alone is over the budget, or when the samples are no multiple of the ranks.
    """
    longest = max(range(len(costs)), key=lambda index: costs[index].tokens)
    if costs[longest].tokens > tokens:
        raise ConfigError(
            f"sample {longest} of a batch has {costs[longest].tokens} tokens, more than the budget of {tokens} for a "
            "micro-batch; raise the budget or shorten the sample"
        )
    if len(costs) % ranks:
        raise ConfigError(f"a batch of {len(costs)} samples cannot be shared by {ranks} ranks; make it a multiple")
    order = sorted(range(len(costs)), key=lambda index: (-costs[index].tokens, index))
    pieces = _padded(order, costs, tokens) if padded else _packed(order, costs, tokens)
    while len(pieces) % ranks:
        pieces += _halves(pieces, costs)
    given = _given_out(pieces, costs, ranks)
    for _ in range(SPLITS):
        if _spread(given, costs) <= EVEN or max(map(len, pieces)) == 1:
            break
        # A piece of many short rows with pictures can hold most of the work of a rank; halves of it can be balanced.
        for _ in range(ranks):
            pieces += _halves(pieces, costs)
        given = _given_out(pieces, costs, ranks)
    return given


def _spread(given: Sequence[Sequence[Sequence[int]]], costs: Sequence[Cost]) -> float:
    """Work of the rank that has most, over the mean."""
    work = [sum(_work(piece, costs) for piece in pieces) for pieces in given]
    return max(work) * len(work) / sum(work)


def _padded(order: Sequence[int], costs: Sequence[Cost], tokens: int) -> list[list[int]]:
    """Runs of neighbours in length: the first of a run is its longest."""
    pieces: list[list[int]] = []
    for index in order:
        if not pieces or costs[pieces[-1][0]].tokens * (len(pieces[-1]) + 1) > tokens:
            pieces.append([])
        pieces[-1].append(index)
    return pieces


def _packed(order: Sequence[int], costs: Sequence[Cost], tokens: int) -> list[list[int]]:
    """First fit, longest first: at most 11/9 of the fewest possible (Johnson 1973)."""
    pieces: list[list[int]] = []
    room: list[int] = []
    for index in order:
        at = next((number for number, free in enumerate(room) if free >= costs[index].tokens), len(room))
        if at == len(room):
            pieces.append([])
            room.append(tokens)
        pieces[at].append(index)
        room[at] -= costs[index].tokens
    return pieces


def _halves(pieces: list[list[int]], costs: Sequence[Cost]) -> list[list[int]]:
    """Take the piece with the most work out, in two; nothing when each is one sample."""
    most = max(pieces, key=lambda piece: (len(piece) > 1, _work(piece, costs)))
    if len(most) == 1:
        return []
    pieces.remove(most)
    return [most[: len(most) // 2], most[len(most) // 2 :]]


def _given_out(pieces: list[list[int]], costs: Sequence[Cost], ranks: int) -> list[list[list[int]]]:
    """Rounds of pieces of like work, because ranks that share gathers wait for one another in each."""
    given: list[list[list[int]]] = [[] for _ in range(ranks)]
    done = [0.0] * ranks
    by_work = sorted(pieces, key=lambda piece: (-_work(piece, costs), piece[0]))
    for start in range(0, len(by_work), ranks):
        least = sorted(range(ranks), key=lambda rank: (done[rank], rank))
        for rank, piece in zip(least, by_work[start : start + ranks], strict=True):
            given[rank].append(sorted(piece))
            done[rank] += _work(piece, costs)
    return given


def _work(piece: Sequence[int], costs: Sequence[Cost]) -> float:
    return sum(costs[index].work for index in piece)
