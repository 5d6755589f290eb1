"""Levenshtein distance: the fewest insertions, deletions and substitutions that turn one sequence into another.

    D[i, j] = min(D[i-1, j] + 1, D[i, j-1] + 1, D[i-1, j-1] + (a[i] != b[j]))

Neighbouring cells differ by -1, 0 or 1, so a whole column fits into two bit masks (where it rises, where it falls)
and the next column is a dozen operations on integers as long as `a` (Myers 1999, in the form of Hyyrö 2003). Python's
integers have no width, so this is one short loop over `b` for any length: 1,000 against 1,000 characters in about a
millisecond.

Not here: which letters count as equal (the callers normalise), and weights.
"""

from collections.abc import Hashable, Sequence


def levenshtein(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Distance between two strings, or two lists of words."""
    if not a or not b:
        return len(a) + len(b)
    where: dict[Hashable, int] = {}  # symbol -> the positions in `a` that hold it, as bits
    for position, symbol in enumerate(a):
        where[symbol] = where.get(symbol, 0) | 1 << position
    everywhere, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    rises, falls, distance = everywhere, 0, len(a)
    for symbol in b:
        equal = where.get(symbol, 0)
        diagonal_same = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = falls | everywhere & ~(diagonal_same | rises)
        right_falls = diagonal_same & rises
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises, right_falls = right_rises << 1 | 1, right_falls << 1
        rises = everywhere & (right_falls | ~(diagonal_same | right_rises))
        falls = everywhere & right_rises & diagonal_same
    return distance
