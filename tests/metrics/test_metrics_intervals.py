"""Intervals against published values, the exact definition, and their own coverage."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from showtell.metrics.intervals import (
    Interval,
    bootstrap_mean,
    cluster_bootstrap,
    clustered_standard_error,
    paired_difference,
    wilson,
)


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


def test_one_picture_a_question_is_the_plain_case():
    values = [0.0, 1.0, 1.0, 0.25, 0.5, 1.0, 0.0]
    one_each = cluster_bootstrap(values, range(7), seed=3)
    plain = bootstrap_mean(values, seed=3)
    assert (one_each.value, one_each.low, one_each.high) == pytest.approx((plain.value, plain.low, plain.high))
    spread = math.sqrt(sum((value - plain.value) ** 2 for value in values) / 6 / 7)
    assert clustered_standard_error(values, range(7)) == pytest.approx(spread)


def test_questions_that_stand_and_fall_together_count_once():
    rng = random.Random(1)
    pictures = [rng.random() < 0.6 for _ in range(60)]
    values = [float(right) for right in pictures for _ in range(10)]
    names = [f"{index}.png" for index in range(60) for _ in range(10)]
    clustered, naive = cluster_bootstrap(values, names, seed=0), bootstrap_mean(values, seed=0)
    assert clustered.value == naive.value
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(math.sqrt(10), rel=0.2)
    assert clustered_standard_error(values, names) == pytest.approx(math.sqrt(0.6 * 0.4 / 60), rel=0.15)


def test_the_order_of_the_rows_does_not_matter_to_the_error():
    values, names = [1.0, 0.0, 0.5, 1.0], ["a", "b", "a", "c"]
    assert clustered_standard_error(values, names) == pytest.approx(clustered_standard_error(values[::-1], names[::-1]))


def test_two_runs_are_compared_question_by_question():
    rng = random.Random(5)
    names = [index // 4 for index in range(400)]
    b = [float(rng.random() < 0.5) for _ in names]
    a = [min(1.0, value + (rng.random() < 0.2)) for value in b]
    compared = paired_difference(a, b, names, seed=0)
    assert compared.difference.low > 0 and compared.p_value < 0.01 and compared.worse == 0 < compared.better
    same = paired_difference(b, b, names, seed=0)
    assert same.difference == Interval(0, 0, 0) and same.p_value == 1
    back = paired_difference(b, a, names, seed=0)
    assert back.difference.value == -compared.difference.value and back.p_value == compared.p_value


def test_the_interval_of_clusters_covers_as_often_as_it_says():
    rng, covered = random.Random(11), 0
    for trial in range(60):
        means = [rng.gauss(0, 1) for _ in range(40)]
        values = [mean + rng.gauss(0, 0.5) for mean in means for _ in range(5)]
        found = cluster_bootstrap(values, [i for i in range(40) for _ in range(5)], seed=trial, resamples=300)
        covered += found.low <= 0 <= found.high
    assert covered >= 51  # 95 percent of 60 are 57; fewer than 51 would be chance once in 500


def test_values_without_their_picture_are_refused():
    with pytest.raises(ValueError, match="name of its picture"):
        cluster_bootstrap([1.0], [], seed=0)
    with pytest.raises(ValueError, match="same examples"):
        paired_difference([1.0], [1.0, 0.0], ["a"], seed=0)
    with pytest.raises(ValueError, match="no standard error"):
        clustered_standard_error([1.0], ["a"])
