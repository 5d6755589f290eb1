"""Parameter groups are a partition; rates, decay and freezing go where the configuration says."""

import pytest
import torch
from torch import nn

from showtell.core.errors import ConfigError
from showtell.engine.optim import OptimizerConfig, Part, make_optimizer, set_learning_rates


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Linear(4, 4), nn.LayerNorm(4))
        self.vision2 = nn.Linear(4, 4)
        self.words = nn.Embedding(6, 4)
        self.position = nn.Parameter(torch.zeros(5, 4))
        self.head = nn.Linear(4, 6, bias=False)
        self.tied = nn.Linear(4, 6, bias=False)
        self.tied.weight = self.words.weight


def by_name(optimizer):
    return {name: group for group in optimizer.param_groups for name in group["names"]}


def test_every_parameter_is_in_exactly_one_group():
    model = Model()
    groups = by_name(make_optimizer(model, OptimizerConfig(parts=(Part(prefix="vision", lr_scale=0.1),))))
    assert set(groups) == {name for name, _ in model.named_parameters()}
    listed = [id(p) for group in {id(g): g for g in groups.values()}.values() for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters())


def test_only_matrices_of_layers_decay():
    groups = by_name(make_optimizer(Model(), OptimizerConfig(weight_decay=0.3)))
    decayed = {name for name, group in groups.items() if group["weight_decay"]}
    assert decayed == {"vision.0.weight", "vision.1.weight", "vision2.weight", "head.weight"}
    assert {groups[name]["weight_decay"] for name in decayed} == {0.3}


def test_the_longest_prefix_decides_and_ends_at_a_dot():
    parts = (Part(prefix="vision", lr_scale=0.1), Part(prefix="vision.1", lr_scale=0.5))
    optimizer = make_optimizer(Model(), OptimizerConfig(lr=1.0, parts=parts))
    set_learning_rates(optimizer, 0.5)
    rates = {name: group["lr"] for name, group in by_name(optimizer).items()}
    assert rates["vision.0.weight"] == rates["vision.2.bias"] == pytest.approx(0.05)
    assert rates["vision.1.weight"] == pytest.approx(0.25)
    assert rates["vision2.weight"] == rates["position"] == pytest.approx(0.5)


def test_frozen_parts_do_not_move():
    model = Model()
    optimizer = make_optimizer(model, OptimizerConfig(lr=0.1, parts=(Part(prefix="vision", frozen=True),)))
    assert not any(name.startswith("vision.") for name in by_name(optimizer))
    frozen = model.vision[1].weight.clone()
    model.vision2(model.vision[1](torch.ones(2, 4))).sum().backward()
    optimizer.step()
    assert model.vision[1].weight.grad is None and torch.equal(frozen, model.vision[1].weight)


def test_a_frozen_model_is_refused():
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        make_optimizer(nn.Linear(2, 2), OptimizerConfig(parts=(Part(prefix="", frozen=True),)))


@pytest.mark.parametrize("parts", [("visoin",), ("vision", "vision")])
def test_a_prefix_that_decides_nothing_or_twice_is_refused(parts):
    with pytest.raises(ConfigError, match="prefix"):
        make_optimizer(Model(), OptimizerConfig(parts=tuple(Part(prefix=prefix) for prefix in parts)))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Linear(3, 4)
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.norm = nn.LayerNorm(4)


def test_rates_fall_from_layer_to_layer():
    model = nn.ModuleDict({"vision": Tower(), "other": Tower()})
    part = Part(prefix="vision", lr_scale=0.5, layer_decay=0.1)
    groups = by_name(make_optimizer(model, OptimizerConfig(lr=1.0, parts=(part,))))
    expected = {"patches": 0.5e-3, "blocks.0": 0.5e-2, "blocks.1": 0.5e-1, "blocks.2": 0.5, "norm": 0.5}
    for layer, rate in expected.items():
        for kind in ("weight", "bias"):
            assert groups[f"vision.{layer}.{kind}"]["peak_lr"] == pytest.approx(rate)
            assert groups[f"other.{layer}.{kind}"]["peak_lr"] == 1.0
    plain = by_name(make_optimizer(model, OptimizerConfig(lr=1.0, parts=(Part(prefix="vision", lr_scale=0.5),))))
    assert len({id(group) for group in plain.values()}) == 4, "without it the groups are what they were"
