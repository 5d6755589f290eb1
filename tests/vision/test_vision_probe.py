"""Probes: the closed form is the minimum an optimiser finds, and both probes find what is there and only that."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from showtell.vision.probe import RIDGES, fit, fit_probe, knn


def kinds(rows: int, noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    centres = torch.randn(4, 10, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (rows,), generator=generator)
    return centres[labels] + noise * torch.randn(rows, 10, generator=generator), labels


def test_the_closed_form_is_what_gradient_descent_finds() -> None:
    rows, labels = kinds(60, 1.0)
    probe = fit(rows, labels, labels, ridge=3.0)
    x = (rows.double() - probe.mean) / probe.deviation
    y = F.one_hot(labels, 4).double()
    weights = torch.zeros(11, 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (x @ weights[:-1] + weights[-1] - y).square().sum() + 3.0 * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    assert torch.allclose(weights.detach(), probe.weights, atol=1e-5)


def test_both_probes_find_what_is_there() -> None:
    (train, labels), (rows, truth) = kinds(200, 0.6, 1), kinds(200, 0.6, 2)
    for said in (fit_probe(train, labels).predict(rows), knn(train, labels, rows)):
        assert (said == truth).float().mean() > 0.9


def test_neither_finds_what_is_not_there() -> None:
    rows, labels = torch.randn(400, 10), torch.randint(4, (400,))
    fresh, truth = torch.randn(400, 10), torch.randint(4, (400,))
    probe = fit_probe(rows, labels)
    assert probe.ridge in RIDGES
    for said in (probe.predict(fresh), knn(rows, labels, fresh)):
        assert 0.15 < (said == truth).float().mean() < 0.37


def test_knn_is_the_nearest_neighbour_for_k_of_one_and_survives_small_sets() -> None:
    rows, labels = kinds(30, 0.5)
    assert torch.equal(knn(rows, labels, rows, k=1), labels)
    assert torch.equal(knn(rows[:3], labels[:3], rows[:3], k=50, temperature=0.001), labels[:3])


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="two classes"):
        fit_probe(torch.randn(4, 3), torch.zeros(4, dtype=torch.long))
