"""Schedules are pure functions of the step with the values their drawings promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from showtell.engine.schedule import Constant, Cosine, WarmupStableDecay, linear


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(), {0: 1, 10**9: 1}),
        (Constant(warmup=4), {0: 0.25, 1: 0.5, 3: 1, 4: 1, 99: 1}),
        (Cosine(steps=10), {0: 1, 5: 0.5, 10: 0, 50: 0}),
        (Cosine(steps=12, warmup=2, floor=0.1), {0: 0.5, 1: 1, 2: 1, 7: 0.55, 12: 0.1, 99: 0.1}),
        (WarmupStableDecay(steps=20, warmup=2, decay=5), {0: 0.5, 1: 1, 15: 1, 16: 0.8, 19: 0.2, 20: 0, 40: 0}),
        (WarmupStableDecay(steps=12, warmup=2, decay=10), {1: 1, 2: 1, 7: 0.5, 12: 0}),
        (WarmupStableDecay(steps=10, decay=10, floor=0.2), {0: 1, 5: 0.6, 10: 0.2}),
        (linear(steps=12, warmup=2, floor=0.5), {0: 0.5, 1: 1, 2: 1, 7: 0.75, 12: 0.5}),
    ],
)
def test_values(schedule, values):
    assert {step: schedule(step) for step in values} == pytest.approx(values)


@given(steps=st.integers(1, 300), warmup=st.integers(0, 50), decay=st.integers(0, 300), floor=st.floats(0, 1))
def test_factors_stay_between_nothing_and_the_peak_and_start_above_zero(steps, warmup, decay, floor):
    for schedule in (
        Cosine(steps=steps, warmup=warmup, floor=floor),
        WarmupStableDecay(steps=steps, decay=decay, warmup=warmup, floor=floor),
    ):
        factors = [schedule(step) for step in range(steps + 2)]
        assert all(0 <= factor <= 1 for factor in factors)
        assert factors[0] > 0
