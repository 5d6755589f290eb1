"""Intervals against published values, the exact definition, and their own coverage."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.metrics.intervals import bootstrap_mean, wilson


def test_wilson_agrees_with_published_values():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = wilson(successes, n)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@settings(deadline=None)
@given(st.integers(1, 500), st.floats(0, 1))
def test_both_ends_solve_the_equation_that_defines_them(n: int, share: float):
    successes = round(n * share)
    interval = wilson(successes, n)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    for end in (interval.low, interval.high):  # |p - end| = z sqrt(end (1 - end) / n)
        distance = 1.959963984540054 * math.sqrt(end * (1 - end) / n)
        assert abs(interval.value - end) == pytest.approx(distance, abs=1e-7)


def test_a_higher_level_is_wider():
    assert wilson(7, 10, 0.99).low < wilson(7, 10, 0.95).low


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(successes: int, n: int):
    with pytest.raises(ValueError, match="no share"):
        wilson(successes, n)


def test_the_bootstrap_is_reproducible_and_seeded():
    values = [0.1, 0.9, 0.4, 0.35, 0.6]
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_the_bootstrap_approaches_the_normal_interval_of_a_large_sample():
    rng = random.Random(0)
    values = [rng.gauss(2, 3) for _ in range(400)]
    mean = sum(values) / 400
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / 400)
    interval = bootstrap_mean(values, seed=0)
    assert interval.value == pytest.approx(mean)
    assert interval.low == pytest.approx(mean - 1.96 * spread / 20, abs=0.03)
    assert interval.high == pytest.approx(mean + 1.96 * spread / 20, abs=0.03)


def test_a_constant_has_no_spread_and_nothing_has_no_mean():
    constant = bootstrap_mean([0.5] * 7, seed=1)
    assert constant.low == constant.value == constant.high == 0.5
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([], seed=1)
