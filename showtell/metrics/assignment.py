"""Assignment: pair rows with columns, each at most once, so that the costs add up to as little as possible.

    cost[n, m] --minimum_assignment-->  column of each row, or -1 for the rows left over where n > m

The Hungarian method with potentials (Kuhn 1955; shortest augmenting paths as in Jonker and Volgenant 1987): rows
enter one at a time, each by the cheapest path of swaps, O(n² m). With a few hundred boxes that is milliseconds; NumPy
does the inner loop. Used to match points or boxes with the truth, in scores and in losses. Not here: what a cost is.
"""

import numpy as np
from jaxtyping import Float, Int


def minimum_assignment(cost: Float[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
    """The column of each row. Raises ValueError for costs that are not finite."""
    if not np.isfinite(cost).all():
        raise ValueError("an assignment needs finite costs; give impossible pairs a large number")
    n, m = cost.shape
    if n > m:  # fewer columns than rows: assign the columns
        row_of = minimum_assignment(cost.T)
        column_of = np.full(n, -1, dtype=np.int64)
        column_of[row_of] = np.arange(m)
        return column_of
    row_price, column_price = np.zeros(n), np.zeros(m + 1)
    row_at = np.full(m + 1, -1, dtype=np.int64)  # which row holds a column; column m is where a new row enters
    for row in range(n):
        _augment(row, cost.astype(np.float64), row_price, column_price, row_at)
    column_of = np.full(n, -1, dtype=np.int64)
    column_of[row_at[:m][row_at[:m] >= 0]] = np.flatnonzero(row_at[:m] >= 0)
    return column_of


def _augment(row: int, cost: np.ndarray, row_price: np.ndarray, column_price: np.ndarray, row_at: np.ndarray) -> None:
    """Let one more row in, along the cheapest path of swaps to a free column."""
    m = cost.shape[1]
    best, came_from = np.full(m, np.inf), np.full(m, m)
    visited = np.zeros(m + 1, dtype=bool)
    row_at[m], here = row, m
    while row_at[here] >= 0:
        visited[here] = True
        holder = row_at[here]
        slack = cost[holder] - row_price[holder] - column_price[:m]
        better = (slack < best) & ~visited[:m]
        best[better], came_from[better] = slack[better], here
        there = int(np.where(visited[:m], np.inf, best).argmin())
        step = best[there]
        row_price[row_at[visited]] += step
        column_price[visited] -= step
        best[~visited[:m]] -= step
        here = there
    while here != m:
        previous = int(came_from[here])
        row_at[here] = row_at[previous]
        here = previous
    row_at[m] = -1
