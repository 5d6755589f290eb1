"""Muon: our update is PyTorch's, matrices of layers go to it and nothing else, and it learns."""

import pytest
import torch
from engine_task import make
from hypothesis import given
from hypothesis import strategies as st
from mixed_task import Mixed
from test_engine_loop import fixed
from torch import nn

from showtell.core.errors import ConfigError
from showtell.engine.estimate import memory_of
from showtell.engine.muon import Muon, orthogonal
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer, set_learning_rates
from showtell.engine.step import Loss


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
def test_it_is_the_update_of_pytorch(shape):
    """Theirs computes in bfloat16, so three figures agree."""
    torch.manual_seed(2)
    start = torch.randn(shape)
    ours, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    mine = Muon([{"params": [ours], "weight_decay": 0.3}], lr=0.05, momentum=0.9)
    reference = torch.optim.Muon([theirs], lr=0.05, momentum=0.9, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        gradient = torch.randn(shape)
        for parameter, optimizer in ((ours, mine), (theirs, reference)):
            parameter.grad = gradient.clone()
            optimizer.step()
    assert float((ours - theirs).norm() / (start - theirs).norm()) < 0.02


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 99))
def test_all_directions_get_the_same_size(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.linalg.svdvals(orthogonal(matrix))
    strong = s > 0.05 * s.norm()
    assert (values[: int(strong.sum())] > 0.5).all() and (values < 1.3).all()
    turned = orthogonal(matrix)
    torch.testing.assert_close(u @ torch.diag((u.T @ turned @ vt.T).diagonal()) @ vt, turned, atol=1e-8, rtol=1e-8)


def test_matrices_of_layers_and_nothing_else():
    model = Mixed()
    parts = (Part(prefix="blocks.1", lr_scale=0.5),)
    optimizer = make_optimizer(model, OptimizerConfig(algorithm="muon", lr=0.1, weight_decay=0.2, parts=parts))
    named = {name: group for group in optimizer.param_groups for name in group["names"]}
    assert set(named) == {name for name, _ in model.named_parameters()}
    expected = {f"{b}.{w}.weight" for b in ("vision.blocks.0", "blocks.0", "blocks.1") for w in ("up", "down")}
    assert {name for name, group in named.items() if group["muon"]} == expected
    set_learning_rates(optimizer, 0.5)
    assert named["blocks.1.up.weight"]["lr"] == pytest.approx(0.025)
    assert named["head.weight"]["weight_decay"] == 0.2 and named["head.bias"]["weight_decay"] == 0
    sizes = {name: p.nbytes for name, p in model.named_parameters()}
    matrices = sum(size for name, size in sizes.items() if name in expected)
    assert memory_of(model, optimizer, averaged=False).moments == 2 * sum(sizes.values()) - matrices


def test_it_learns_and_a_cut_run_is_the_run(tmp_path):
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            layers = (nn.Linear(5, 16), nn.GELU(), nn.Linear(16, 16), nn.GELU())
            self.layers, self.head = nn.ModuleList(layers), nn.Linear(16, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            return self.head(x)

    def step(model, rows):
        return Loss((model(rows[:, :-1].float()) - rows[:, -1:].float()).square().sum(), len(rows))

    rows, seen = torch.cat([make(position) for position in range(8)]), []
    config = OptimizerConfig(algorithm="muon", lr=0.02, weight_decay=0.0)
    note = lambda n, m: seen.append(m["loss"])  # noqa: E731
    fixed(Deep(), step, tmp_path / "whole", 80, rows, optimizer=config, on_step=note)
    assert seen[-1] < 0.1 * seen[0]
    fixed(Deep(), step, tmp_path / "cut", 80, rows, optimizer=config, config={"stop_after_steps": 33})
    fixed(Deep(), step, tmp_path / "cut", 80, rows, optimizer=config)
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_vector_is_refused():
    with pytest.raises(ConfigError, match=r"Muon turns matrices; a parameter has shape \[3\]"):
        Muon([{"params": [nn.Parameter(torch.zeros(3))]}], lr=0.1)
