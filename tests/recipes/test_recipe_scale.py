"""The run on paper adds up: a small one in seconds, the figures where arithmetic says they are."""

import json

import pytest

from recipes import scale

SMALL = scale.Pretraining(pairs=40_000, epochs=2, batch=512, shard=1_000, window=4)
MACHINE = scale.Machine(accelerators=8)


def test_the_figures_of_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = scale.simulate(SMALL, MACHINE)
    assert figures["run"]["steps"] == 80_000 // 512
    assert figures["order"]["shards"] == 40 and 4 <= figures["order"]["shards open at a time"] <= 8
    work, restart = figures["work"], figures["restart"]
    assert work["parameters, M"] == pytest.approx(428, abs=1), "ViT-L/14 and its text tower"
    assert work["seconds a step, computing"] == pytest.approx(
        work["operations a pair, G"] * 1e9 * 512 / (8 * 989e12 * 0.35)
    )
    # Weights, two moments and the average: sixteen bytes a parameter.
    assert restart["a checkpoint, GB"] == pytest.approx(16 * work["parameters, M"] / 1e3, rel=1e-3)
    assert 1 <= figures["balance"]["slowest rank, by cost"] < 1.1 < figures["balance"]["slowest rank, equal slices"]
    assert json.loads(scale.dumps(figures, MACHINE))["assumed"]["accelerators"] == 8
